"""When a backend wants to be asked again, in either of HTTP's two ways to say it."""

import pytest

from exporter.delivery.retry_after import retry_after

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
        ("Fri, 31 Dec 9999 23:59:59 -2359", 10**9),
        ("Mon, 23 Nov 2026 12:00:20 +99999999", 0),
    ],
)
def test_what_it_says(text, seconds):
    """Seconds and dates are understood, and what is neither asks for nothing."""
    assert retry_after({"Retry-After": text}, NOW) == seconds


def test_clocks_that_differ():
    """A date is compared with the answer's own date: our clock may be wrong."""
    headers = {
        "Date": "Mon, 23 Nov 2026 09:00:00 GMT",
        "Retry-After": "Mon, 23 Nov 2026 09:00:20 GMT",
    }

    assert retry_after(headers, NOW) == 20


def test_an_answer_with_a_strange_date():
    """A date of the answer that is none counts as absent."""
    headers = {
        "Date": "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Retry-After": "Mon, 23 Nov 2026 12:00:20 GMT",
    }

    assert retry_after(headers, NOW) == 20


def test_without_it():
    """Most answers ask for nothing."""
    assert retry_after({}, NOW) == 0
