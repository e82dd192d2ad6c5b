"""
Names that Camunda's App Integrations connector reads, too.

Where one environment configures both, what only the connector knows is left alone, and
a name of both is ours unless it can't be.
"""

from collections.abc import Mapping

from exporter.declaration import PREFIX

OAUTH = f"{PREFIX}OAUTH_"
OWN = (
    f"{PREFIX}BASE_URL",
    f"{OAUTH}CLIENT_AUTHENTICATION",
    f"{OAUTH}SCOPES",
    f"{OAUTH}TOKEN_ENDPOINT",
)
"""What only the connector reads."""
API_KEY, CLUSTER_ID = f"{PREFIX}API_KEY", f"{PREFIX}CLUSTER_ID"
CLIENT = tuple(OAUTH + name for name in ("AUDIENCE", "CLIENT_ID", "CLIENT_SECRET"))
SERVER = f"{OAUTH}AUTHORIZATION_SERVER_URL"
"""What only we read, of all that belongs to OAuth."""


def not_ours(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of both that can only be the connector's."""
    if not _set(environ, *OWN):
        return []
    if _set(environ, f"{PREFIX}BACKENDS", f"{PREFIX}BACKENDS_FILE"):
        return _set(environ, API_KEY, *CLIENT)  # ours have a backend's name in theirs
    if _set(environ, SERVER, f"{SERVER}_FILE"):
        return _set(environ, API_KEY)
    return _set(environ, *CLIENT)


def notice(environ: Mapping[str, str]) -> str:
    """Return what to say of the connector's names, if there are some; no values."""
    if not (own := _set(environ, *OWN)):
        return ""
    theirs = not_ours(environ)
    shared = _set(environ, API_KEY, CLUSTER_ID, *CLIENT)
    ours = [each for each in shared if each not in theirs]
    text = f"{', '.join(own + theirs)}: of Camunda's connector, and not read here"
    return f"{text}; {', '.join(ours)}: read by both" if ours else text


def _set(environ: Mapping[str, str], *names: str) -> list[str]:
    return [name for name in names if environ.get(name, "").strip()]
