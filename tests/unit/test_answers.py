"""What came back becomes an answer without secrets and control characters."""

import pytest

from exporter.delivery.answers import printable, public, retry_after

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("20", 20),
        (" 0 ", 0),
        ("999999999", 999_999_999),
        ("Mon, 23 Nov 2026 12:00:20 GMT", 20),
        ("Mon Nov 23 12:00:20 2026", 20),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("-1", 0),
        ("7.0", 7),
        ("7.", 7),
        ("7, 7", 7),
        ("+7", 7),
        ("7 seconds", 7),
        ("7; now", 7),
        ("7 Nov", 0),
        ("soon", 0),
        ("\u0662\u0660", 0),
        ("99999999999999999999", 0),
        ("Mon, 99 Nov 2026 12:00:20 GMT", 0),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", 0),
        ("Mon, 23 Nov 2026 12:00:20 +99999999", 0),
    ],
)
def test_retry_after(text, seconds):
    """Seconds and dates are read; anything else is 0."""
    assert retry_after({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize(
    "date, seconds", [("Mon, 23 Nov 2026 09:00:00 GMT", 10_820), ("31 Dec 9e9", 20)]
)
def test_clocks_that_differ(date, seconds):
    """A date is compared with the answer's own date if that is valid."""
    headers = {"Date": date, "Retry-After": "Mon, 23 Nov 2026 12:00:20 GMT"}

    assert retry_after(headers, NOW) == seconds


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
