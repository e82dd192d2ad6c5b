"""
The environment variables that make a broker of a given version export to us.

Pure: it reads nothing and starts nothing. The entrypoint, the commands, the chart, the
demo and the tests all use this module.

The variables have two forms. A broker gets only one of them, because from 8.8 on an
exporter in both forms loses its arguments. 8.10 refuses to start if it doesn't know a
key, so from 8.8 on only flags that exist in every version are set.
"""

import re
from collections.abc import Collection

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
DEFAULT_VALUE_TYPES = frozenset({"USER_TASK"})

# The flags that every version knows. 8.8 and later export other value types only with
# INCLUDEENABLEDRECORDS.
IN_EVERY_VERSION = (
    *("DEPLOYMENT", "PROCESS", "INCIDENT", "VARIABLE"),
    *("PROCESSINSTANCE", "USERTASK", "JOB"),
)

# Up to 8.7 the broker exports all these value types unless their flags are off.
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

# These exporters belong to the broker itself.
RESERVED_IDS = frozenset({"CAMUNDAEXPORTER", "RDBMS"})

Version = tuple[int, int]
OLDEST, UNIFIED, OPTIMIZING = (8, 5), (8, 8), (8, 9)
WITH_TENANTS = NEWEST = (8, 10)


def broker_environment(  # noqa: PLR0913 -- each is an argument of the exporter
    version: str,
    url: str,
    *,
    bulk_size: int = 1,
    username: str = "",
    password: str = "",
    exporter_id: str = EXPORTER_ID,
    value_types: Collection[str] = DEFAULT_VALUE_TYPES,
    physical_tenants: Collection[str] = (),
) -> dict[str, str]:
    """
    Return the variables that make a broker of *version* export to *url*.

    *value_types* are the engine's names. With *physical_tenants*, each of them exports.
    """
    broker = parse_version(version)
    name = _checked_id(exporter_id)
    prefix = "CAMUNDA_DATA_EXPORTERS" if broker >= UNIFIED else "ZEEBE_BROKER_EXPORTERS"
    arguments = {
        "URL": _checked_url(url),
        "BULK_SIZE": str(bulk_size),
        # In whole seconds. It is also the pause before a refused request is repeated.
        "BULK_DELAY": "1",
        "INDEX_CREATETEMPLATE": "false",
        **_selection(broker, {each.replace("_", "") for each in value_types}),
        **_authentication(username, password),
    }
    variables = {f"{prefix}_{name}_CLASSNAME": CLASS_NAME} | {
        f"{prefix}_{name}_ARGS_{key}": value for key, value in arguments.items()
    }
    if not physical_tenants:
        return variables
    if broker < WITH_TENANTS:
        raise ConfigError(
            f"Camunda {version} has no physical tenants",
            remedy="Remove them: they exist from 8.10 on",
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
    Return the variables that make a broker of *version* export what *loaded* selects.

    *name* is the exporter's id in the broker. *url* defaults to this machine.
    """
    if not loaded.ingest_port and not url:
        raise ConfigError(
            f"{PREFIX}INGEST_PORT is 0, which means any free port",
            remedy=f"Set {PREFIX}INGEST_PORT to the port that the broker shall use",
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
    """Return whether a broker of *version* may withhold records in Optimize mode."""
    try:
        return parse_version(version) >= OPTIMIZING
    except ConfigError:
        return True


def parse_version(text: str) -> Version:
    """Return the version in *text*, at most the newest version that we know."""
    if text == "SNAPSHOT":
        return NEWEST
    found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})(\.[0-9]+)*([-+].+)?", text)
    if found is None:
        raise ConfigError(
            f"{text!r} is not a version of the broker",
            remedy="Use a version like 8.6.0, 8.10.0-alpha5 or SNAPSHOT",
        )
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        raise ConfigError(
            f"The broker is {text}, which has no user tasks to export",
            remedy="Use 8.5 or later",
        )
    return min(version, NEWEST)


def flags(broker: Version) -> tuple[str, ...]:
    """Return the value types that have to be switched on or off one by one."""
    if broker >= UNIFIED:
        return IN_EVERY_VERSION
    return ON_BY_DEFAULT_8_5 if broker == OLDEST else ON_BY_DEFAULT_8_6


def _selection(broker: Version, wanted: set[str]) -> dict[str, str]:
    """Return the arguments that select the *wanted* value types."""
    known = flags(broker)
    chosen = {f"INDEX_{flag}": str(flag in wanted).lower() for flag in known}
    if broker >= UNIFIED and (more := sorted(wanted.difference(known))):
        chosen["INCLUDEENABLEDRECORDS"] = "true"
        chosen |= {f"INDEX_{flag}": "true" for flag in more}
    if broker >= OPTIMIZING:
        # On by default from 8.10 on. It overrides all flags, so that all jobs, CREATED
        # and UPDATED of user tasks, and many other records would be missing.
        chosen["INDEX_OPTIMIZEMODEENABLED"] = "false"
    return chosen


def _authentication(username: str, password: str) -> dict[str, str]:
    if not username:
        return {}
    if "${" in username + password:
        raise ConfigError(
            "The broker replaces ${...} in user and password by a variable",
            remedy=f"Use no ${{ in {PREFIX}INGEST_USERNAME and {PREFIX}INGEST_PASSWORD",
        )
    return {"AUTHENTICATION_USERNAME": username, PASSWORD: password}


def _checked_url(url: str) -> str:
    """Refuse a URL with which the broker would be healthy, but export nothing."""
    found = re.fullmatch(r"https?://(\[.+\]|[^:]+)(?::([0-9]{1,5}))?", url)
    is_url = found and HOST.accepts(found[1].strip("[]"))
    if not (found and is_url and 0 < int(found[2] or 80) < 65536):
        raise ConfigError(
            f"{without_user(url)!r} isn't a URL with only a scheme, host and port",
            remedy="Use a URL like http://127.0.0.1:9280, with nothing after the port",
        )
    return url


def _checked_id(exporter_id: str) -> str:
    name = exporter_id.upper()
    if not (name.isascii() and name.isalnum()) or name in RESERVED_IDS:
        raise ConfigError(
            f"The broker can't have an exporter named {exporter_id!r}",
            remedy=f"Use only letters and digits, like {EXPORTER_ID}",
        )
    return name
