"""Incidents: where a process instance can't go on until somebody acts."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_ID,
    ELEMENT_INSTANCE_KEY,
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    key,
    text,
)

ERROR_TYPES = (
    "job-no-retries",
    "execution-listener-no-retries",
    "task-listener-no-retries",
    "ad-hoc-sub-process-no-retries",
    "unhandled-error-event",
    "io-mapping-error",
    "extract-value-error",
    "condition-error",
    "called-element-error",
    "called-decision-error",
    "decision-evaluation-error",
    "form-not-found",
    "resource-not-found",
    "message-size-exceeded",
    "unknown",
)

INCIDENT = EventType(
    "incident",
    "INCIDENT",
    "An incident: a process instance can't go on until somebody acts.",
    fields=(
        identifier("The incident's key: the same for all of its events."),
        INTENT,
        TYPE,
        text("errorType", "What went wrong, in the engine's word."),
        text("errorMessage", "The same in sentences, which may hold data."),
        key("jobKey", "The job that failed."),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        PROCESS_INSTANCE_KEY,
        ELEMENT_ID,
        ELEMENT_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind(
            "created",
            "CREATED",
            "Something can't go on. When no element catches an error, brokers before "
            "8.8 may say `NO_CATCH_EVENT_FOUND` for the element.",
        ),
        Kind(
            "resolved",
            "RESOLVED",
            "It goes on, or need not: the incidents of a cancelled process instance "
            "count as resolved.",
            ends=True,
        ),
    ),
    brackets=Brackets("error types", "errorType", ERROR_TYPES),
)
