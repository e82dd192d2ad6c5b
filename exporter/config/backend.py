"""
The settings of one backend, declared as `exporter.config.settings` says.

With several backends each has all of them, under names of its own:
APP_INTEGRATIONS_BACKEND_TEAMS_URL is the URL of the one called teams. What isn't said
of it is as the plain name says, but for what is `own`: no credential goes to a backend
that it wasn't said of.
"""

import re
from dataclasses import dataclass

from exporter.config import musts
from exporter.config.declaration import setting
from exporter.config.musts import one_of, readable, whole
from exporter.config.transport import TransportSettings
from exporter.events import (
    DEFAULT,
    FILTER_FORM,
    FORMATS,
    ONLY_BACKEND,
    SELECTION_FORM,
    Filter,
    Filters,
    Format,
    Selection,
)

MIB = 1024 * 1024
NAME = re.compile(r"[a-z0-9]{1,32}")
NAMES = rf"\s*{NAME.pattern}(\s*,\s*{NAME.pattern})*\s*"


def names_in(text: str) -> list[str]:
    """Return the names that *text* lists; raises `ValueError`."""
    names = [each.strip() for each in text.split(",")] if text else []
    for name in names:
        if name == ONLY_BACKEND:
            raise ValueError(f"{name} is what the one without a name is called")
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} can't be a name")
        if names.count(name) > 1:
            raise ValueError(f"{name} is there twice")
    return names


SELECTION = readable(
    "a selection like `user-task, incident:created` (docs/events.md)",
    Selection,
    SELECTION_FORM,
)
PATTERNS = readable(
    "patterns like `order-*, !order-test`, separated by commas", Filter, FILTER_FORM
)


@dataclass(frozen=True, kw_only=True)
class BackendSettings(TransportSettings):
    """What one backend gets, and how."""

    url: str = setting(
        ...,
        musts.POSTABLE,
        "Where batches are posted; credentials go into `APP_INTEGRATIONS_API_KEY`.",
        own=True,
    )
    api_key: str = setting(
        "",
        musts.CREDENTIAL,
        "Credential of the backend, sent with every batch.",
        secret=True,
        own=True,
    )
    api_key_header: str = setting(
        "X-API-KEY", musts.FREE_HEADER, "The header that carries the credential."
    )
    events: str = setting(
        DEFAULT, SELECTION, "Which events it gets; the default is the official one."
    )
    process_ids: str = setting(
        "",
        PATTERNS,
        "Only events of processes with such an id; what begins with `!` is kept away.",
    )
    tenant_ids: str = setting("", PATTERNS, "Likewise, by tenant.")
    element_ids: str = setting("", PATTERNS, "Likewise, by the element's id.")
    format: str = setting(
        "camunda", one_of(*FORMATS), "How events are written (docs/events.md)."
    )
    batch_size: int = setting(
        50,
        whole(1, 10_000),
        "Events in one request, at most; 4 KiB of their ids close it, too.",
    )
    batch_max_bytes: int = setting(
        MIB, whole(1), "Bytes in one request, at most; a bigger event is sent alone."
    )
    batch_interval_ms: int = setting(
        0, whole(0), "How long a batch waits to become full; 0 sends at once."
    )
    request_timeout_ms: int = setting(
        5000, whole(1), "How long one request may take as a whole."
    )
    max_batches_in_flight: int = setting(4, whole(1, 64), "Requests in flight at once.")
    retry_after_max_ms: int = setting(
        300_000,
        whole(0),
        "How long the backend may ask us to wait (`Retry-After`), at most.",
    )
    max_event_age_ms: int = setting(
        0,
        whole(0),
        "An event not delivered after so long, by the engine's time, becomes a dead "
        "letter; 0 is never.",
    )
    status_outcomes: str = setting(
        "",
        musts.STATUS_OUTCOMES,
        "What a status of this backend means, where it isn't the usual.",
    )
    name: str = ONLY_BACKEND
    """What the spool, metrics and the log call it."""

    @property
    def written(self) -> Format:
        """How events are written for it."""
        return FORMATS[self.format]

    @property
    def selection(self) -> Selection:
        """What it gets."""
        filters = Filters(
            Filter(self.process_ids), Filter(self.tenant_ids), Filter(self.element_ids)
        )
        return Selection(self.events, filters)
