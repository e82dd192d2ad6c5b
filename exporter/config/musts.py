"""
What settings must be, in words and as a test.

Knows no setting by name; `exporter.config.settings` has them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from environs import ValidationError
from yarl import URL

from exporter.base.texts import TOKEN, headers_of, keys_of
from exporter.net.hosts import is_half_address

# Headers that are the protocol's or ours to write.
RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length"}
    | {"content-type", "expect", "host", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "user-agent", "x-cluster-id", "x-event-ids", "x-org-id"}
    | {"x-physical-tenant-id"}
    | {"idempotency-key", "webhook-id", "webhook-signature", "webhook-timestamp"}
)


@dataclass(frozen=True)
class Must:
    """
    A value must `be` this, and is when `holds` says so.

    The rest tells others, who can't ask `holds`, what no right value lacks: a match of
    *pattern* from end to end, written so that RE2 understands it, and two limits.
    """

    be: str
    holds: Callable[[Any], bool]
    pattern: str = ""
    least: int | None = None
    most: int | None = None
    why: Callable[[Any], str] = lambda _: ""
    """Says what is wrong with a value, where more can be said than that it is."""
    where: Callable[[Any], str] = lambda _: ""
    """Says in which place, and repeats nothing of the value."""

    def __call__(self, value: object) -> None:
        """Refuse *value* in the way environs expects, unless it holds."""
        if not self.holds(value):
            raise ValidationError(self.be)


def readable(be: str, read: Callable[[str], object], pattern: str = "") -> Must:
    """
    Accept what *read* can read; its `ValueError` says why it can't.

    If that has a `place`, it says where. What is right has the *pattern*, if there is
    one.
    """

    def complaint(value: str) -> ValueError | None:
        try:
            read(value)
        except ValueError as error:
            return error
        return None

    return Must(
        be,
        lambda value: complaint(value) is None,
        pattern,
        why=lambda value: str(complaint(value) or ""),
        where=lambda value: getattr(complaint(value), "place", ""),
    )


def whole(least: int, most: int = 2**31 - 1) -> Must:
    """Accept a whole number from *least* to *most*; without a limit some 31 bits."""
    return Must(
        f"a whole number from {least} to {most}",
        lambda value: least <= value <= most,
        least=least,
        most=most,
    )


def matching(be: str, pattern: str) -> Must:
    """Accept a text that *pattern* matches from end to end."""
    return Must(be, lambda value: re.fullmatch(pattern, value) is not None, pattern)


def one_of(*choices: str) -> Must:
    """Accept one of *choices*, exactly."""
    return Must(
        "one of " + ", ".join(choices),
        lambda value: value in choices,
        "|".join(choices),
    )


def _why_no_address(value: str) -> str:
    try:
        is_half = is_half_address(URL(value).raw_host or "")
    except ValueError:
        return ""
    return "its host is neither a name nor a whole IP address" if is_half else ""


def _is_postable(value: str) -> bool:
    if not value.isprintable() or " " in value:
        return False
    try:
        url = URL(value)
        (url.raw_host or "").encode("idna")  # as the resolver will
    except ValueError:
        return False
    if url.user is not None or url.password is not None or _why_no_address(value):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and url.port != 0


def _is_free_header(value: str) -> bool:
    return bool(TOKEN.fullmatch(value)) and value.lower() not in RESERVED_HEADERS


def _are_free_headers(value: str) -> bool:
    try:
        return all(map(_is_free_header, headers_of(value)))
    except ValueError:
        return False


_STATUS_OUTCOME = r"[345]\d\d\s*=\s*(delivered|postponed|rejected|blocked)"
POSTABLE = Must(
    "an absolute http:// or https:// URL without user and password",
    _is_postable,
    r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+([/?#]\S*)?",
    why=_why_no_address,
)
FREE_HEADER = Must("the name of an HTTP header we don't write already", _is_free_header)


def _are_keys(value: str) -> bool:
    try:
        return bool(keys_of(value))
    except ValueError:
        return False


HEADERS = Must(
    "`X-Team: a, X-Env: prod` or one header a line, each name once, and none that we "
    "write already (Content-Type, X-Event-Ids and the like)",
    _are_free_headers,
)
KEYS = Must(
    "one or more of `whsec_<base64 of 24 to 64 bytes>`, separated by blanks", _are_keys
)
_LABEL = r"[A-Za-z0-9_-]{1,63}"


def _is_host(value: str) -> bool:
    if ":" not in value:
        return re.fullmatch(rf"{_LABEL}(\.{_LABEL})*\.?", value) is not None
    try:
        return bool(ip_address(value))
    except ValueError:
        return False


HOST = Must("an IP address or a host name", _is_host, "[A-Za-z0-9_.:%-]+")
PORT = Must(
    "a port from 0 (any free one) to 65535",
    lambda value: 0 <= value <= 65535,
    least=0,
    most=65535,
)
PATH = Must(
    "a path, without ~",
    lambda value: value.isprintable() and not value.startswith("~"),
    "[^~].*",
)
CREDENTIAL = matching(
    "printable ASCII without blanks around it", r"[!-~]([ -~]*[!-~])?"
)
USERNAME = matching("printable ASCII without a colon", r"[ -9;-~]+")
STATUS_OUTCOMES = matching(
    "like 404=postponed,409=delivered: statuses from 300 to 599, each delivered, "
    "postponed, rejected or blocked",
    rf"\s*{_STATUS_OUTCOME}(\s*,\s*{_STATUS_OUTCOME})*\s*",
)
ORGANIZATION = matching("printable ASCII without blanks", r"[!-~]+")
ID = matching("1 to 64 of A-Z a-z 0-9 . _ -", r"[A-Za-z0-9._-]{1,64}")
