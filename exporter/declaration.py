"""
How a setting is declared: its default, what it must be, and what it means.

Knows no setting by name; `exporter.settings` has them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from environs import ValidationError
from yarl import URL

from exporter.reread import Reread, fixed, text_of
from exporter.texts import TOKEN, headers_of, keys_of

PREFIX = "APP_INTEGRATIONS_"

# What Kubernetes injects for each Service of a namespace whose name starts like our
# prefix. The last form may have the very name of a setting: it isn't meant for us.
SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|\w+_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)

# Headers that are the protocol's or ours to write.
RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length"}
    | {"content-type", "expect", "host", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "user-agent", "x-cluster-id", "x-event-ids", "x-org-id"}
    | {"idempotency-key", "webhook-id", "webhook-signature", "webhook-timestamp"}
)


class MistakeError(Exception):
    """One variable is wrong in one way."""

    def __init__(self, variable: str, wrong: str, right: str) -> None:
        """Say in one line what is *wrong* and what would be *right*."""
        super().__init__(f"{variable} {wrong}, must be {right}")


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

    def __call__(self, value: object) -> None:
        """Refuse *value* in the way environs expects, unless it holds."""
        if not self.holds(value):
            raise ValidationError(self.be)


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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*; a name we can't judge is not."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_postable(value: str) -> bool:
    if not value.isprintable() or " " in value:
        return False
    try:
        url = URL(value)
        (url.raw_host or "").encode("idna")  # as the resolver will
    except ValueError:
        return False
    if url.user is not None or url.password is not None:
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


def setting(
    default: object,
    must: Must,
    meaning: str,
    *,
    secret: bool = False,
    variable: str = "",
) -> Any:
    """
    Declare a field; `...` instead of a *default* says that it is required.

    *variable* is its whole name where others have chosen that.
    """
    return field(
        default=MISSING if default is ... else default,
        repr=not secret,
        metadata={"must": must, "meaning": meaning, "foreign": variable},
    )


class Declared(NamedTuple):
    """One field, as its name, annotation, default and `setting` declare it."""

    name: str
    kind: type
    default: Any
    must: Must
    meaning: str
    foreign: str
    secret: bool

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return self.foreign or PREFIX + self.name.upper()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    def shown(self, value: object) -> str | int:
        """Return *value* as people may see it."""
        if self.secret and value:
            return "(hidden)"
        if self.must is POSTABLE:  # a user, a password, a token may be in a URL
            value = re.sub(
                r"(?s)([?#]).*", r"\1...", re.sub(r"(?s)^.*@", "...@", str(value))
            )
        return value if isinstance(value, int) else str(value)


def declared_in(settings: type) -> tuple[Declared, ...]:
    """Return what the dataclass *settings* declares: its own, then what it inherits."""
    kinds = get_type_hints(settings)
    own = settings.__annotations__
    ordered = sorted(fields(settings), key=lambda each: each.name not in own)
    return tuple(
        Declared(
            each.name,
            kinds[each.name],
            each.default,
            **each.metadata,
            secret=not each.repr,
        )
        for each in ordered
        if each.metadata
    )


@dataclass(frozen=True, kw_only=True)
class Readable:
    """Settings, of which those that came from a file can be read again."""

    files: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """The files of settings, by the name of the setting."""

    def watched(self, name: str) -> Reread[str]:
        """Return the text of the setting *name*, as its file has it from now on."""
        value = getattr(self, name)
        path = self.files.get(name)
        if path is None:
            return fixed(value)
        (declared,) = [each for each in declared_in(type(self)) if each.name == name]

        def load() -> str:
            text = text_of(path)
            if not declared.must.holds(text):
                raise ValueError(f"it must hold {declared.must.be}")
            return text

        return Reread(value, load, [path], f"{declared.variable}_FILE")
