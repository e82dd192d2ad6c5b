"""Read the header Retry-After. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 10**9
SECONDS = re.compile(r"\+?([0-9]{1,9}(?:\.[0-9]*)?) *(?:s|sec|seconds)?(?:[,;].*)?")
"""The standard form, and what servers and proxies really send: `7.0`, `7, 7`, `+7`."""


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return how many seconds *headers* ask to wait, or 0.

    Clocks differ, so a date is compared with the answer's own date if there is one, and
    else with *now*, in seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if found := SECONDS.fullmatch(text):
        return float(found[1])
    moment = _timestamp(text)
    if moment is None:
        return 0.0
    answered = _timestamp(headers.get("Date", ""))
    seconds = moment - (now if answered is None else answered)
    return min(max(0.0, seconds), LONGEST_SECONDS)


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        # HTTP dates without a zone are in UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
