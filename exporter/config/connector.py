"""
Variables that Camunda's App Integrations connector reads, too.

One environment may configure both. The exporter ignores variables that only the
connector reads, and shared variables with a value that only the connector can use.
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
    """Return the shared variables whose values only the connector can use."""
    if not _set(environ, *OWN):
        return []
    if _set(environ, f"{PREFIX}BACKENDS", f"{PREFIX}BACKENDS_FILE"):
        return _set(environ, API_KEY, *CLIENT)  # a backend has variables of its own
    if _set(environ, SERVER, f"{SERVER}_FILE"):
        return _set(environ, API_KEY)
    return _set(environ, *CLIENT)


def notice(environ: Mapping[str, str]) -> str:
    """Return a sentence about the variables of the connector, if any are set."""
    if not (own := _set(environ, *OWN)):
        return ""
    theirs = not_ours(environ)
    ours = [x for x in _set(environ, API_KEY, CLUSTER_ID, *CLIENT) if x not in theirs]
    text = f"Only Camunda's connector reads {', '.join(own + theirs)}"
    return f"{text}; both read {', '.join(ours)}" if ours else text


def _set(environ: Mapping[str, str], *names: str) -> list[str]:
    return [name for name in names if environ.get(name, "").strip()]
