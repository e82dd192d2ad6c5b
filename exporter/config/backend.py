"""
The settings of one backend.

Several backends have names: APP_INTEGRATIONS_BACKEND_TEAMS_URL is the URL of `teams`. A
setting that is missing for one backend falls back to the variable without a name,
except URLs and credentials, which are never shared.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from exporter.base.reread import Reread
from exporter.config import rules
from exporter.config.declaration import (
    PREFIX,
    Configured,
    Declared,
    declared_in,
    setting,
)
from exporter.events import (
    DEFAULT,
    FORMATS,
    ONLY_BACKEND,
    Filter,
    Filters,
    Format,
    Selection,
)
from exporter.net.tls import Tls, tls_of

PEM_FILES = ("tls_ca_path", "tls_cert_path", "tls_key_path")
SELECTION = rules.Rule(
    "a selection like `user-task, incident:created` (docs/events.md)", Selection
)
PATTERNS = rules.Rule(
    "patterns like `order-*, !order-test`, separated by commas", Filter
)


@dataclass(frozen=True, kw_only=True)
class BackendSettings(Configured):
    """What one backend gets, and how."""

    url: str = setting(..., rules.HTTP_URL, own=True)
    """Where batches are posted, without credentials."""
    api_key: str = setting("", rules.CREDENTIAL, secret=True)
    """The credential sent with every batch."""
    api_key_header: str = setting("X-API-KEY", rules.HEADER)
    """The header that carries the credential."""
    events: str = setting(DEFAULT, SELECTION)
    """The selected events. The default is that of the official exporter."""
    process_ids: str = setting("", PATTERNS)
    """Only events of matching processes; `!` excludes."""
    tenant_ids: str = setting("", PATTERNS)
    """Only events of matching tenants; `!` excludes."""
    element_ids: str = setting("", PATTERNS)
    """Only events of matching elements; `!` excludes."""
    format: str = setting("camunda", rules.one_of(*FORMATS))
    """The format of the events (docs/events.md)."""
    batch_size: int = setting(50, rules.whole(1, 10_000))
    """The most events in one request; 4 KiB of ids also complete a batch."""
    batch_max_bytes: int = setting(1024**2, rules.whole(1))
    """The most bytes in one request; a larger event goes alone."""
    batch_interval_ms: int = setting(0, rules.whole(0))
    """How long a batch waits for more events; 0 sends at once."""
    request_timeout_ms: int = setting(5000, rules.whole(1))
    """The time limit of one request, including its answer."""
    max_batches_in_flight: int = setting(4, rules.whole(1, 64))
    """The most requests in flight at once."""
    retry_after_max_ms: int = setting(300_000, rules.whole(0))
    """The longest wait a backend may ask for (`Retry-After`)."""
    max_event_age_ms: int = setting(0, rules.whole(0))
    """An older event becomes a dead letter (by the engine's time); 0 means never."""
    status_outcomes: str = setting("", rules.STATUS_OUTCOMES)
    """The outcome of statuses that mean something special to this backend."""
    headers: str = setting("", rules.HEADERS, secret=True)
    """More headers for every request, hidden like a credential."""
    organization_id: str = setting(
        "", rules.ORGANIZATION, variable="CAMUNDA_CLOUD_ORGANIZATION_ID"
    )
    """Sent as `X-Org-Id`. Camunda's platform sets it; `null` counts as not set."""
    broker_cluster_id: str = setting(
        "", rules.ORGANIZATION, variable="ZEEBE_BROKER_CLUSTER_CLUSTERID"
    )
    """
    Sent as `X-Cluster-Id` if `APP_INTEGRATIONS_CLUSTER_ID` isn't set. Brokers have this
    variable, and the image passes it on.
    """
    signing_secrets: str = setting("", rules.KEYS, secret=True)
    """Keys that sign every request (Standard Webhooks)."""
    oauth_authorization_server_url: str = setting("", rules.HTTP_URL, own=True)
    """Where tokens are fetched (OAuth2 client credentials), instead of an API key."""
    oauth_client_id: str = setting("", rules.CREDENTIAL, own=True)
    """The id of the OAuth client."""
    oauth_client_secret: str = setting("", rules.CREDENTIAL, secret=True)
    """The secret of the OAuth client."""
    oauth_audience: str = setting("", rules.CREDENTIAL, own=True)
    """The audience of the token."""
    oauth_scope: str = setting("", rules.CREDENTIAL, own=True)
    """The scopes of the token."""
    oauth_resource: str = setting("", rules.CREDENTIAL, own=True)
    """The resource of the token."""
    oauth_connect_timeout_ms: int = setting(5000, rules.whole(1))
    """The time limit for connecting to the authorization server."""
    oauth_read_timeout_ms: int = setting(5000, rules.whole(1))
    """The time limit for the answer of the authorization server."""
    tls_ca_path: str = setting("", rules.PATH)
    """A file of CA certificates (PEM), trusted in addition to the system's."""
    tls_cert_path: str = setting("", rules.PATH, own=True)
    """The client certificate (PEM), if the backend asks for one."""
    tls_key_path: str = setting("", rules.PATH, own=True)
    """The key of that certificate (PEM, no password), if in a file of its own."""
    name: str = ONLY_BACKEND
    """The backend's name in the spool, in metrics and in the log."""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as `proxy_for` takes them."""

    @property
    def body_format(self) -> Format:
        """The format of the events."""
        return FORMATS[self.format]

    @property
    def selection(self) -> Selection:
        """The selected events."""
        filters = map(Filter, (self.process_ids, self.tenant_ids, self.element_ids))
        return Selection(self.events, Filters(*filters))

    def tls(self) -> Reread[Tls]:
        """Return the context of TLS connections, made again when a file changes."""
        named = {name: getattr(self, name) for name in PEM_FILES}
        load = partial(tls_of, **named)
        paths = {name: Path(path) for name, path in named.items() if path}
        variables = ", ".join(map(self.variable, paths))
        return Reread(load(), load, list(paths.values()), variables)


BACKEND_SETTINGS = declared_in(BackendSettings)


def names_in(text: str) -> list[str]:
    """Return the names of backends that *text* lists; a `ValueError` says why not."""
    names = [each.strip() for each in text.split(",")] if text.strip() else []
    for name in names:
        if name == ONLY_BACKEND:
            raise ValueError(f"{name} is the name of a single backend")
        if not re.fullmatch(r"[a-z0-9]{1,32}", name):
            raise ValueError(f"{name!r} can't be a name")
        if names.count(name) > 1:
            raise ValueError(f"{name} is listed twice")
    return names


def prefix_of(backend: str) -> str:
    """Return the beginning of the variables of *backend*."""
    return PREFIX if backend == ONLY_BACKEND else f"{PREFIX}BACKEND_{backend.upper()}_"


def settings_of(backend: str) -> tuple[Declared, ...]:
    """Return the settings of *backend*, with its own variables."""
    return declared_in(BackendSettings, prefix_of(backend))
