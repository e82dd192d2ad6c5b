"""
Names that Camunda's App Integrations connector reads, too.

Where one environment configures both, what only the connector knows is left alone, and
a name of both is ours unless it can't be.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.declaration import PREFIX

OWN = tuple(
    PREFIX + name
    for name in (
        "BASE_URL",
        "OAUTH_CLIENT_AUTHENTICATION",
        "OAUTH_SCOPES",
        "OAUTH_TOKEN_ENDPOINT",
    )
)
"""What only the connector reads."""
API_KEY, CLUSTER_ID = f"{PREFIX}API_KEY", f"{PREFIX}CLUSTER_ID"
OAUTH = tuple(
    f"{PREFIX}OAUTH_{name}" for name in ("AUDIENCE", "CLIENT_ID", "CLIENT_SECRET")
)
BOTH = (API_KEY, CLUSTER_ID, *OAUTH)
SERVER = f"{PREFIX}OAUTH_AUTHORIZATION_SERVER_URL"
"""What only we read, of all that belongs to OAuth."""


class Notice(NamedTuple):
    """What is true of names that the connector reads, and what to do otherwise."""

    text: str
    remedy: str


def not_ours(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the variables of both that can only be the connector's."""
    if not _set(environ, *OWN):
        return frozenset()
    if _set(environ, f"{PREFIX}BACKENDS", f"{PREFIX}BACKENDS_FILE"):
        names = (API_KEY, *OAUTH)  # ours have the name of a backend in theirs
    elif _set(environ, SERVER, f"{SERVER}_FILE"):
        names = (API_KEY,)
    else:
        names = OAUTH
    return frozenset(_set(environ, *names))


def notices(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Yield what to say where the connector is configured, too; no value is shown."""
    own, theirs = _set(environ, *OWN), not_ours(environ)
    if not own:
        return
    yield Notice(
        f"Of Camunda's connector, and not read here: {', '.join([*own, *theirs])}",
        f"If they were meant for the exporter: it reads {PREFIX}URL, and {SERVER} "
        "for OAuth",
    )
    if both := [each for each in _set(environ, *BOTH) if each not in theirs]:
        yield Notice(
            f"Read here, and by Camunda's connector as well: {', '.join(both)}",
            f"If the exporter needs others, give it an environment of its own, or name "
            f"its backend in {PREFIX}BACKENDS",
        )


def _set(environ: Mapping[str, str], *names: str) -> list[str]:
    return [name for name in names if environ.get(name, "").strip()]
