"""Settings with several values are parsed."""

import base64

import pytest

from exporter.base.texts import headers_of, keys_of


@pytest.mark.parametrize(
    "text, headers",
    [
        ("", {}),
        ("X-Team: a", {"X-Team": "a"}),
        ("X-Team: a, X-Env:prod,", {"X-Team": "a", "X-Env": "prod"}),
        ("X-Team: a\nX-Accept: b, c\n", {"X-Team": "a", "X-Accept": "b, c"}),
        ("X-Team: a\r\n\r\nX-Link: d:e", {"X-Team": "a", "X-Link": "d:e"}),
    ],
)
def test_headers(text, headers):
    """Headers are separated by commas or by lines."""
    assert headers_of(text) == headers


@pytest.mark.parametrize("text", ["hunter2", "hunter2:", "A: hunter2, a: 1", ": x"])
def test_headers_that_are_none(text):
    """An error doesn't contain the text, which may be a secret."""
    with pytest.raises(ValueError, match="a header is") as raised:
        headers_of(text)

    assert "hunter2" not in str(raised.value)


def a_key(size):
    """Return a key of *size* bytes as text."""
    return "whsec_" + base64.b64encode(bytes(size)).decode()


def test_keys():
    """Several keys are separated by blanks."""
    assert keys_of("") == ()
    assert keys_of(f" {a_key(24)} \n{a_key(64)}\n") == (bytes(24), bytes(64))


@pytest.mark.parametrize(
    "text",
    [
        *("hunter2", "whsec_", "whsec_hunter2", "whsec_größe", a_key(23), a_key(65)),
        *(f"{a_key(24)},", a_key(24).removeprefix("whsec_")),
    ],
)
def test_keys_that_are_none(text):
    """A key that isn't of Standard Webhooks is refused, and not shown."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the reason is any
        keys_of(text)

    assert "hunter2" not in str(raised.value)
