"""When a backend wants to be asked again, as the header Retry-After says it. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 10**9
SECONDS = re.compile(r"\+?([0-9]{1,9}(?:\.[0-9]*)?) *(?:s|sec|seconds)?(?:[,;].*)?")
"""As HTTP has it, and as servers and proxies between have it: `7.0`, `7, 7`, `+7`."""


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return the seconds that *headers* ask to wait, 0 when they say nothing usable.

    A date is compared with the answer's own date, because clocks differ; without one
    with *now*, in seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if found := SECONDS.fullmatch(text):
        return float(found[1])
    moment = _seconds(text)
    if moment is None:
        return 0.0
    answered = _seconds(headers.get("Date", ""))
    seconds = moment - (now if answered is None else answered)
    return min(max(0.0, seconds), LONGEST_SECONDS)


def _seconds(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        # A date without a zone is in UTC, as HTTP has it.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
