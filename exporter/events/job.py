"""Jobs: what workers do for elements. Jobs of listeners are noise, and left out."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_ID,
    ELEMENT_INSTANCE_KEY,
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_DEFINITION_VERSION,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    items,
    number,
    pairs,
    text,
)
from exporter.events.process_instance import TAGS
from exporter.events.record import Value


def is_of_an_element(value: Value) -> bool:
    """Whether the job is an element's own."""
    return not value.text("jobKind").endswith("_LISTENER")


JOB = EventType(
    "job",
    "JOB",
    "A job of an element, for a worker to do. Jobs of listeners are not told of.",
    fields=(
        identifier("The job's key: the same for all events of a job."),
        INTENT,
        TYPE,
        text("jobType", "What workers ask for.", "type"),
        text("worker", "The worker that had it last."),
        number("retries", "How often it may still be tried."),
        pairs("customHeaders", "The job's headers in the model."),
        text("errorCode", "The code of a BPMN error that was thrown."),
        text(
            "errorMessage",
            "What the worker said when it last failed, which may hold data.",
        ),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        PROCESS_DEFINITION_VERSION,
        PROCESS_INSTANCE_KEY,
        ELEMENT_ID,
        ELEMENT_INSTANCE_KEY,
        TAGS,
        TENANT_ID,
    ),
    kinds=(
        Kind("created", "CREATED", "It waits for a worker."),
        Kind("completed", "COMPLETED", "A worker did it."),
        Kind(
            "failed",
            "FAILED",
            "A worker could not do it. It is tried again while there are retries; "
            "then there is an incident.",
        ),
        Kind("timed-out", "TIMED_OUT", "A worker took too long; it waits for another."),
        Kind(
            "error-thrown",
            "ERROR_THROWN",
            "A worker threw a BPMN error. When no element catches it, `elementId` is "
            "`NO_CATCH_EVENT_FOUND`.",
        ),
        Kind("canceled", "CANCELED", "It need not be done any more."),
        Kind("retries-updated", "RETRIES_UPDATED", "It may be tried again."),
        Kind(
            "updated",
            "UPDATED",
            "Its retries or its time-out were changed, over the REST API of 8.6 on.",
            extra=(items("changedAttributes", "Names of what was changed."),),
            since="8.6",
        ),
    ),
    suits=is_of_an_element,
    brackets=Brackets("job types", "type"),
)
