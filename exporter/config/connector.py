"""
Variables that Camunda's App Integrations connector reads, too.

One environment may configure both. Variables that only the connector reads are left
alone. A variable of both is read here, unless only the connector can use its value.
"""

from collections.abc import Mapping

from exporter.config.declaration import PREFIX

OAUTH = f"{PREFIX}OAUTH_"
OWN = (
    f"{PREFIX}BASE_URL",
    f"{OAUTH}CLIENT_AUTHENTICATION",
    f"{OAUTH}SCOPES",
    f"{OAUTH}TOKEN_ENDPOINT",
)
"""Variables that only the connector reads."""
API_KEY, CLUSTER_ID = f"{PREFIX}API_KEY", f"{PREFIX}CLUSTER_ID"
CLIENT = tuple(OAUTH + name for name in ("AUDIENCE", "CLIENT_ID", "CLIENT_SECRET"))
SERVER = f"{OAUTH}AUTHORIZATION_SERVER_URL"
"""The only variable of OAuth that the connector doesn't read."""


def not_ours(environ: Mapping[str, str]) -> list[str]:
    """Return the shared variables that only the connector can mean."""
    if not _set(environ, *OWN):
        return []
    if _set(environ, f"{PREFIX}BACKENDS", f"{PREFIX}BACKENDS_FILE"):
        return _set(environ, API_KEY, *CLIENT)  # each backend's own has its name in it
    if _set(environ, SERVER, f"{SERVER}_FILE"):
        return _set(environ, API_KEY)
    return _set(environ, *CLIENT)


def notice(environ: Mapping[str, str]) -> str:
    """Return a sentence about the connector's variables, without values; or ""."""
    if not (own := _set(environ, *OWN)):
        return ""
    theirs = not_ours(environ)
    shared = _set(environ, API_KEY, CLUSTER_ID, *CLIENT)
    ours = [each for each in shared if each not in theirs]
    text = f"{', '.join(own + theirs)}: of Camunda's connector, and not read here"
    return f"{text}; {', '.join(ours)}: read by both" if ours else text


def _set(environ: Mapping[str, str], *names: str) -> list[str]:
    return [name for name in names if environ.get(name, "").strip()]
