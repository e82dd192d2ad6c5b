"""Retry-After is read in both of its forms."""

import pytest

from exporter.delivery.answers import retry_after

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("20", 20),
        (" 0 ", 0),
        ("999999999", 999_999_999),
        ("Mon, 23 Nov 2026 12:00:20 GMT", 20),
        ("Monday, 23-Nov-26 12:00:20 GMT", 20),
        ("Mon Nov 23 12:00:20 2026", 20),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("", 0),
        ("-1", 0),
        ("1.5", 1.5),
        ("7.0", 7),
        ("7.", 7),
        ("7, 7", 7),
        ("7,9", 7),
        ("+7", 7),
        ("7s", 7),
        ("7 seconds", 7),
        ("7; now", 7),
        ("7 Nov", 0),
        ("23 Nov 2026 12:00:20 GMT", 20),
        ("Mon, 23 Nov 2026 12:00:20 GMT, Mon, 23 Nov 2026 12:00:20 GMT", 20),
        ("soon", 0),
        ("\u0662\u0660", 0),
        ("99999999999999999999", 0),
        ("Mon, 99 Nov 2026 12:00:20 GMT", 0),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 251_606_951_939),
        ("Mon, 23 Nov 2026 12:00:20 +99999999", 0),
    ],
)
def test_what_it_says(text, seconds):
    """Seconds and dates are read; anything else is 0."""
    assert retry_after({"Retry-After": text}, NOW) == seconds


def test_clocks_that_differ():
    """A date is compared with the answer's own date, because our clock may be wrong."""
    headers = {
        "Date": "Mon, 23 Nov 2026 09:00:00 GMT",
        "Retry-After": "Mon, 23 Nov 2026 09:00:20 GMT",
    }

    assert retry_after(headers, NOW) == 20


def test_an_answer_with_a_strange_date():
    """An invalid date of the answer is ignored."""
    headers = {
        "Date": "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Retry-After": "Mon, 23 Nov 2026 12:00:20 GMT",
    }

    assert retry_after(headers, NOW) == 20


def test_without_it():
    """An answer without the header asks for no wait."""
    assert retry_after({}, NOW) == 0
