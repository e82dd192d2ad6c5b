"""Deployed processes, without the model itself."""

from exporter.events.event_type import EventType, Kind
from exporter.events.fields import (
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    key,
    text,
)
from exporter.events.process_instance import VERSION

PROCESS = EventType(
    "process",
    "PROCESS",
    "A process that can be started, without its model. Every partition of a cluster "
    "tells of it, with the same `id`.",
    fields=(
        identifier("The key of the deployed process."),
        INTENT,
        TYPE,
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        VERSION,
        text("versionTag", "The tag of that version in the model.", since="8.6"),
        text("resourceName", "The file it was deployed as."),
        key("deploymentKey", "The deployment.", since="8.6"),
        TENANT_ID,
    ),
    kinds=(Kind("deployed", "CREATED", "It was deployed, or a new version of it."),),
    element="",
)
