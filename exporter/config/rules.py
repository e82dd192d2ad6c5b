"""What a value must be: a description, and a check."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from environs import ValidationError

from exporter.base.texts import TOKEN, VISIBLE, headers_of, keys_of, without_user
from exporter.net.hosts import http_url

# Headers that belong to the protocol, or that the exporter writes.
RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length"}
    | {"content-type", "expect", "host", "idempotency-key", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent", "webhook-id"}
    | {"webhook-signature", "webhook-timestamp", "x-cluster-id", "x-event-ids"}
    | {"x-org-id", "x-physical-tenant-id"}
)


@dataclass(frozen=True)
class Rule:
    """
    Accepts some values.

    The *check* of another value returns False, or raises a `ValueError` with the
    reason. A reason never repeats a secret.
    """

    description: str
    check: Callable[[Any], object]
    shown: Callable[[str], str] = str
    """Returns a text, right or wrong, without the secrets that it may contain."""

    def accepts(self, value: object) -> bool:
        """Whether *value* can be used."""
        try:
            self(value)
        except ValidationError:
            return False
        return True

    def __call__(self, value: object) -> None:
        """Raise environs' error, perhaps with a reason, for a wrong *value*."""
        try:
            is_right = self.check(value) is not False
        except ValueError as error:
            raise ValidationError(f": {error}") from None
        if not is_right:
            raise ValidationError("")


def whole(least: int, most: int = 2**31 - 1) -> Rule:
    """Accept whole numbers from *least* to *most*."""
    return Rule(
        f"a whole number from {least} to {most}", lambda value: least <= value <= most
    )


def matching(description: str, pattern: str | re.Pattern[str]) -> Rule:
    """Accept texts that match *pattern* from end to end."""
    return Rule(description, lambda text: bool(re.fullmatch(pattern, text)))


def one_of(*choices: str) -> Rule:
    """Accept one of *choices*."""
    return Rule("one of " + ", ".join(choices), choices.__contains__)


def _is_http_url(text: str) -> bool:
    url = http_url(text)
    return url is not None and (url.user, url.password) == (None, None)


def _shown_url(text: str) -> str:
    """Return *text* without user, password, query and fragment."""
    if text and not text.lower().startswith("http"):
        return "(hidden)"  # perhaps a key in the wrong place
    return re.sub(r"(?s)([?#]).*", r"\1...", without_user(text))


def _is_free(header: str) -> bool:
    return bool(TOKEN.fullmatch(header)) and header.lower() not in RESERVED_HEADERS


_LABEL = r"[A-Za-z0-9_-]{1,63}"


def _is_host(text: str) -> bool:
    if ":" not in text:
        return bool(re.fullmatch(rf"{_LABEL}(\.{_LABEL})*\.?", text))
    with suppress(ValueError):
        return bool(ip_address(text))
    return False


HTTP_URL = Rule(
    "an absolute http:// or https:// URL without user and password; its host is a name "
    "or a whole IP address",
    _is_http_url,
    _shown_url,
)
HEADER = Rule(
    "the name of an HTTP header that the exporter doesn't write",
    _is_free,
    # Somebody may set a whole header, with the credential.
    lambda text: text if TOKEN.fullmatch(text) else "(hidden)",
)
HEADERS = Rule(
    "`X-Team: a, X-Env: prod` or one header per line; each name only once, and none "
    "that the exporter writes (Content-Type, X-Event-Ids and others)",
    lambda text: all(map(_is_free, headers_of(text))),
)
KEYS = Rule(
    "one or more of `whsec_<base64 of 24 to 64 bytes>`, separated by spaces",
    lambda text: bool(keys_of(text)),
)
HOST = Rule("an IP address or a host name", _is_host)
PORT = Rule("a port from 0 (any free one) to 65535", lambda value: 0 <= value <= 65535)
PATH = Rule(
    "a path without ~", lambda text: text.isprintable() and not text.startswith("~")
)
CREDENTIAL = matching("printable ASCII without spaces around it", VISIBLE)
USERNAME = matching("printable ASCII without a colon", r"[ -9;-~]+")
ORGANIZATION = matching("printable ASCII without spaces", r"[!-~]+")
ID = matching("1 to 64 of A-Z a-z 0-9 . _ -", r"[A-Za-z0-9._-]{1,64}")
_STATUS = r"\s*[345]\d\d\s*=\s*(delivered|postponed|rejected|blocked)\s*"
STATUS_OUTCOMES = matching(
    "like 404=postponed,409=delivered: statuses from 300 to 599, each delivered, "
    "postponed, rejected or blocked",
    f"{_STATUS}(,{_STATUS})*",
)
