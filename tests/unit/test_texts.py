"""Settings with more than one value are read as their authors meant them."""

import pytest

from exporter.texts import headers_of


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
    """Headers are separated by commas, or by lines, where commas mean nothing."""
    assert headers_of(text) == headers


@pytest.mark.parametrize("text", ["hunter2", "hunter2:", "A: hunter2, a: 1", ": x"])
def test_headers_that_are_none(text):
    """What is wrong is said without the text, which may be a secret."""
    with pytest.raises(ValueError, match="a header is") as raised:
        headers_of(text)

    assert "hunter2" not in str(raised.value)
