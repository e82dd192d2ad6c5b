"""The proxy follows from the URL and the usual variables."""

import pytest

from exporter.net.proxies import proxy_for
from tests.unit.environments import loaded, mistakes

URL = "https://backend.example/events"


@pytest.mark.parametrize(
    "text, url",
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("https://ann:hunter2@proxy.example/x", "https://proxy.example"),
    ],
)
def test_a_proxy(text, url):
    """A proxy is an address, with or without scheme; the password is separate."""
    proxy = proxy_for(URL, {"https": text})

    assert str(proxy.url) == url
    assert proxy.authorization == ("Basic YW5uOmh1bnRlcjI=" if "ann" in text else "")
    assert "hunter2" not in repr(proxy)


@pytest.mark.parametrize(
    "url, no, direct",
    [
        (URL, "", False),
        (URL, "other.example", False),
        (URL, "backend.example", True),
        (URL, "other, .example", True),
        (URL, "backend.example:443", True),
        (URL, "backend.example:8443", False),
        (URL, "*", True),
        (URL, "*.example", True),
        (URL, "*.backend.example", False),
        (URL, "*.EXAMPLE:443, other", True),
        (URL, "back*", True),
        (URL, "backend.example.", True),
        (URL, "ackend.example", False),
        ("http://backend.example/", "*.example:80", True),
        ("https://10.1.2.3/", "10.0.0.0/8", True),
        ("https://10.1.2.3/", "10.1.2.3", True),
        ("https://10.1.2.3/", "10.1.2.3:443 other", True),
        ("https://10.1.2.3/", "10.1.2.3:8443", False),
        ("https://10.1.2.3/", "10.*", True),
        ("https://11.1.2.3/", "10.0.0.0/8, fd00::/8", False),
        ("https://backend.example/", "10.0.0.0/8", False),
        ("https://[fd00::1]/", "[fd00::1]", True),
        ("https://[fd00::1]/", "[fd00::1]:443", True),
        ("https://[fd00::1]/", "[fd00::1]:8443", False),
        ("https://[fd00::1]/", "fd00:0::1", True),
        ("https://[fd00::1]/", "fd00::/8", True),
        ("https://[fd00::1]/", "[fd00::]/8", True),
        ("https://[fe00::1]/", "fd00::/8", False),
        ("https://b\u00fccher.example/", "b\u00fccher.example", True),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example", True),
        ("http://backend.example/", "", True),
        ("https://localhost/", "", True),
        ("https://127.8.8.8:8443/", "", True),
        ("https://[::1]/", "", True),
    ],
)
def test_hosts_without_a_proxy(url, no, direct):
    """Hosts in NO_PROXY, this machine, and other schemes use no proxy."""
    proxy = proxy_for(url, {"https": "http://proxy.example", "no": no})

    assert (proxy is None) is direct


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "10.1", "http://x", "<local>", "[x]", "fd00::/999", "a|b"]
)
def test_a_wrong_entry_of_no_proxy(monkeypatch, entry):
    """A wrong entry is an error at the start."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", f"*, {entry}")

    (line,) = mistakes(URL=URL)

    assert line.startswith(f"NO_PROXY holds '{entry.lower()}';")


@pytest.mark.parametrize(
    "text", ["http://127.1:1", "socks5://ann:hunter2@p:1", "http://", "http://[:1"]
)
def test_a_wrong_proxy(monkeypatch, text):
    """A wrong proxy is an error at the start, without its password."""
    monkeypatch.setenv("HTTPS_PROXY", text)

    (line,) = mistakes(URL=URL)

    assert line.startswith("HTTPS_PROXY can't be used")
    assert "hunter2" not in line


def test_a_wrong_proxy_for_another_scheme(monkeypatch):
    """A wrong proxy for another scheme is ignored."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1")

    assert loaded(URL="http://backend.example/")
