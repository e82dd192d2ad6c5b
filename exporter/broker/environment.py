"""
Say which environment variables make a broker of a given version export to us.

Pure on purpose: it reads nothing and starts nothing. Whoever starts a broker (the demo,
the tests, an entrypoint, a chart) asks here, so that there is one opinion about it.

The variables have two forms, and a broker gets one of them, never both: from 8.8 on the
same exporter in both forms loses its arguments. And 8.10 refuses to start on a key it
doesn't know, so from 8.8 on only those flags are set that exist in every version.
"""

import re
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple
from urllib.parse import urlsplit

from exporter.base.errors import ConfigError
from exporter.base.texts import without_user
from exporter.broker import tenants
from exporter.config.declaration import PREFIX
from exporter.config.rules import HOST
from exporter.config.settings import Settings
from exporter.net.listening import address

EXPORTER_ID = "APPINTSPOOL"
CLASS_NAME = "io.camunda.zeebe.exporter.ElasticsearchExporter"

PASSWORD = "AUTHENTICATION_PASSWORD"  # noqa: S105 - the name of an argument

# What the official exporter sends is about these.
USUAL = frozenset({"USER_TASK"})

# The flags that every version knows, and all that 8.8 and later export by themselves:
# for any other value type they have to be told to export whatever is switched on.
IN_EVERY_VERSION = (
    *("DEPLOYMENT", "PROCESS", "INCIDENT", "VARIABLE"),
    *("PROCESSINSTANCE", "USERTASK", "JOB"),
)

# Up to 8.7 the broker exports all these unless it's told otherwise, one by one.
ON_BY_DEFAULT_8_5 = tuple(
    f"""
    DECISION DECISIONEVALUATION DECISIONREQUIREMENTS {" ".join(IN_EVERY_VERSION)}
    ERROR MESSAGE MESSAGESUBSCRIPTION PROCESSINSTANCECREATION PROCESSINSTANCEMIGRATION
    PROCESSINSTANCEMODIFICATION PROCESSMESSAGESUBSCRIPTION VARIABLEDOCUMENT TIMER
    MESSAGESTARTEVENTSUBSCRIPTION DEPLOYMENTDISTRIBUTION ESCALATION SIGNAL
    SIGNALSUBSCRIPTION RESOURCEDELETION COMMANDDISTRIBUTION FORM
    COMPENSATIONSUBSCRIPTION
    """.split()
)
ON_BY_DEFAULT_8_6 = (*ON_BY_DEFAULT_8_5, "MESSAGECORRELATION", "USER", "AUTHORIZATION")

# Exporters of these names belong to the broker itself.
RESERVED_IDS = frozenset({"CAMUNDAEXPORTER", "RDBMS"})


class Version(NamedTuple):
    """As much of a broker's version as decides about its environment."""

    major: int
    minor: int


OLDEST = Version(8, 5)
UNIFIED = Version(8, 8)
OPTIMIZING = Version(8, 9)
WITH_TENANTS = NEWEST = Version(8, 10)


def broker_environment(  # noqa: PLR0913 -- each is one argument of the broker's exporter
    version: str,
    url: str,
    *,
    bulk_size: int = 1,
    username: str = "",
    password: str = "",
    exporter_id: str = EXPORTER_ID,
    value_types: Collection[str] = USUAL,
    physical_tenants: Collection[str] = (),
) -> dict[str, str]:
    """
    Return what a broker of *version* needs to export to *url*, and to it alone.

    It sends records of *value_types*, as the engine calls them; with *physical_tenants*
    those of each of them.
    """
    broker = parse_version(version)
    name = _checked_id(exporter_id)
    unified = broker >= UNIFIED
    prefix = "CAMUNDA_DATA_EXPORTERS" if unified else "ZEEBE_BROKER_EXPORTERS"
    arguments = {
        "URL": _checked_url(url),
        # One record at a time is real time; more share the cost of a request.
        "BULK_SIZE": str(_checked_size(bulk_size)),
        # Seconds, whole. It's also how soon a refused request is repeated.
        "BULK_DELAY": "1",
        "INDEX_CREATETEMPLATE": "false",
        **dict(_selection(broker, {each.replace("_", "") for each in value_types})),
        **dict(_authentication(username, password)),
    }
    variables = {f"{prefix}_{name}_CLASSNAME": CLASS_NAME} | {
        f"{prefix}_{name}_ARGS_{key}": value for key, value in arguments.items()
    }
    if not physical_tenants:
        return variables
    if broker < WITH_TENANTS:
        raise ConfigError(
            f"Camunda {version} has no physical tenants",
            remedy="Leave them out: they exist from 8.10 on.",
        )
    ids = tenants.checked(physical_tenants)
    return tenants.assign(variables | tenants.prefixes(ids, name), ids, name)


def exporting(
    version: str,
    loaded: Settings,
    *,
    name: str,
    url: str = "",
    physical_tenants: Collection[str] = (),
) -> dict[str, str]:
    """
    Return what makes a broker of *version* export to the exporter of *loaded*.

    The broker calls it *name*, and reaches it at *url*, or else on its own machine.
    Raises `ConfigError`.
    """
    if not loaded.ingest_port and not url:
        raise ConfigError(
            f"{PREFIX}INGEST_PORT is 0, which is any free port",
            remedy="Give it one that the broker can be told.",
        )
    here = str(address(loaded.ingest_host, loaded.ingest_port)).rstrip("/")
    return broker_environment(
        version,
        url or here,
        bulk_size=loaded.broker_bulk_size,
        username=loaded.ingest_username,
        password=loaded.ingest_password,
        exporter_id=name,
        value_types=loaded.value_types,
        physical_tenants=physical_tenants,
    )


def withholds(version: str) -> bool:
    """Return whether brokers of *version* have Optimize mode; unknown ones may."""
    try:
        return parse_version(version) >= OPTIMIZING
    except ConfigError:
        return True


def parse_version(text: str) -> Version:
    """Return the version that *text* names, at most the newest one we know."""
    if text == "SNAPSHOT":
        return NEWEST
    found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})(\.[0-9]+)*([-+].+)?", text)
    if found is None:
        raise ConfigError(
            f"{text!r} is not a version of the broker",
            remedy="Name it like 8.6.0, 8.10.0-alpha5 or SNAPSHOT.",
        )
    version = Version(int(found[1]), int(found[2]))
    if version < OLDEST:
        raise ConfigError(
            f"The broker is {text}, which has no user tasks to export",
            remedy=f"Use {OLDEST.major}.{OLDEST.minor} or later.",
        )
    return min(version, NEWEST)


def flags(broker: Version) -> tuple[str, ...]:
    """Return the value types to switch on or off, by name, in a broker like this."""
    if broker >= UNIFIED:
        return IN_EVERY_VERSION
    return ON_BY_DEFAULT_8_5 if broker == OLDEST else ON_BY_DEFAULT_8_6


def _selection(broker: Version, wanted: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Yield what lets the broker send what is *wanted*, and little else."""
    known = flags(broker)
    for flag in known:
        yield f"INDEX_{flag}", _yes_or_no(flag in wanted)
    if broker >= UNIFIED and (more := sorted(wanted - set(known))):
        yield "INCLUDEENABLEDRECORDS", "true"
        for flag in more:
            yield f"INDEX_{flag}", "true"
    if broker >= OPTIMIZING:
        # On by default from 8.10 on. It overrides all flags: user tasks' CREATED and
        # UPDATED, all jobs and much else would be missing.
        yield "INDEX_OPTIMIZEMODEENABLED", "false"


def _authentication(username: str, password: str) -> Iterator[tuple[str, str]]:
    if not username and not password:
        return
    if not (username and password):
        raise ConfigError(
            "The broker sends credentials only if it has both user and password",
            remedy="Set both, or neither.",
        )
    if not (username + password).isascii():
        raise ConfigError(
            "The broker replaces what isn't ASCII in user and password by '?'",
            remedy="Use ASCII characters only.",
        )
    if "${" in username + password:
        raise ConfigError(
            "The broker replaces ${...} in user and password by what that names",
            remedy="Use user and password without ${.",
        )
    yield "AUTHENTICATION_USERNAME", username
    yield PASSWORD, password


def _checked_url(url: str) -> str:
    remedy = "Give it like http://127.0.0.1:9280, with nothing after the port."
    shown = repr(without_user(url))
    try:
        parts = urlsplit(url)
        port = parts.port  # raises when it isn't a number in range
    except ValueError as error:
        raise ConfigError(f"{shown} is not a URL: {error}", remedy=remedy) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{shown} is not an HTTP URL", remedy=remedy)
    if "@" in parts.netloc or url != f"{parts.scheme}://{parts.netloc}":
        # The broker would start and be healthy, and never export anything.
        raise ConfigError(
            f"{shown} holds more than scheme, host and port", remedy=remedy
        )
    if not HOST.accepts(parts.hostname) or port == 0 or url.endswith(":"):
        raise ConfigError(f"{shown} has no host and port as such", remedy=remedy)
    return url


def _checked_size(bulk_size: int) -> int:
    if bulk_size < 1:
        raise ConfigError(f"A bulk size of {bulk_size} is too small", remedy="Use 1.")
    return bulk_size


def _checked_id(exporter_id: str) -> str:
    name = exporter_id.upper()
    if not (name.isascii() and name.isalnum()) or name in RESERVED_IDS:
        raise ConfigError(
            f"The broker can't have an exporter named {exporter_id!r}",
            remedy=f"Use letters and digits only, like {EXPORTER_ID}.",
        )
    return name


def _yes_or_no(wanted: bool) -> str:  # noqa: FBT001 -- it spells the one value it gets
    return "true" if wanted else "false"
