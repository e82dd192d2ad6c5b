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


def is_direct(url, no=""):
    """Tell whether a request to *url* uses no proxy."""
    return proxy_for(url, {"https": "http://proxy.example", "no": no}) is None


NAMES = "ab.example .example ab.example:443 * *.EXAMPLE *.example:443 a* x,ab.example."
OTHER_NAMES = "x.example b.example ab.example:8443 *.ab.example 10.0.0.0/8"


@pytest.mark.parametrize(
    "host, direct, proxied",
    [
        ("ab.example", NAMES, OTHER_NAMES),
        ("bücher.example", "bücher.example xn--bcher-kva.example", "bcher.example"),
        ("10.1.2.3", "10.0.0.0/8 10.1.2.3 10.1.2.3:443 10.*", "10.1.2.3:84 11.0.0.0/8"),
        (
            "[fd00::1]",
            "[fd00::1] [fd00::1]:443 fd00:0::1 fd00::/8 [fd00::]/8",
            "fe00::/8",
        ),
    ],
)
def test_hosts_without_a_proxy(host, direct, proxied):
    """An entry of NO_PROXY is a name, an address or a network, perhaps with a port."""
    entries = f"{direct} {proxied}".split()

    found = [entry for entry in entries if is_direct(f"https://{host}/", entry)]

    assert found == direct.split()
    assert not is_direct(f"https://{host}/")


def test_never_a_proxy():
    """Other schemes and this machine use no proxy."""
    assert is_direct("http://ab.example/")
    assert is_direct("https://localhost/")
    assert is_direct("https://127.8.8.8:8443/")
    assert is_direct("https://[::1]/")


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
