"""Details of an answer never contain a secret or control characters."""

import pytest

from exporter.delivery.answers import printable, public


@pytest.mark.parametrize(
    "location, shown",
    [
        ("https://ann:secret@new.example/p?token=secret#x", "https://new.example/p"),
        ("/elsewhere?token=secret", "/elsewhere"),
        ("http://[broken", "a location that isn't a URL"),
    ],
)
def test_where_a_redirect_leads(location, shown):
    """User, password, query and fragment of a location may be secrets."""
    assert public(location) == shown


def test_printable_details():
    """A detail has no control characters, and a limited length."""
    assert printable("301 \x1b[31mred\r\n" + "x" * 400) == "301 ?[31mred??" + "x" * 286
