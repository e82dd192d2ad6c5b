"""What a process does: its instances, their steps, incidents and jobs."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_ID,
    OF_ELEMENT,
    OF_PROCESS,
    PROCESS_DEFINITION_VERSION,
    PROCESS_INSTANCE_KEY,
    fields_of,
    items,
    key,
    number,
    pairs,
    record_key,
    text,
)
from exporter.events.record import Value

VERSION = key(
    "processDefinitionVersion", "The version of the deployed process.", "version"
)
TAGS = items("tags", "Tags of the process instance.", since="8.8")


def is_process(value: Value) -> bool:
    """Whether the element is a whole process."""
    return value.text("bpmnElementType") == "PROCESS"


PROCESS_INSTANCE = EventType(
    "process-instance",
    "PROCESS_INSTANCE",
    "A process instance, also one that a call activity started.",
    fields=fields_of(
        "The process instance's key: the same for all of its events.",
        text("elementType", "`PROCESS`, which no step is.", "bpmnElementType"),
        *OF_PROCESS,
        VERSION,
        PROCESS_INSTANCE_KEY,
        key("parentProcessInstanceKey", "The process instance that called this one."),
        key("parentElementInstanceKey", "The instance of the call activity there."),
        key(
            "rootProcessInstanceKey",
            "The process instance at the top of all that called each other.",
            since="8.9",
        ),
        TAGS,
        text("businessId", "The business id it was started with.", since="8.9"),
    ),
    kinds=(
        Kind("started", "ELEMENT_ACTIVATED", "It runs."),
        Kind("completed", "ELEMENT_COMPLETED", "It reached its end.", ends=True),
        Kind(
            "terminated",
            "ELEMENT_TERMINATED",
            "It was cancelled, or the one that called it was.",
            ends=True,
        ),
        Kind("suspended", "SUSPENDED", "It waits until it is resumed.", since="8.10"),
        Kind("resumed", "RESUMED", "It goes on after a suspension.", since="8.10"),
    ),
    suits=is_process,
    element="",
)


USUAL = (
    *("user-task", "service-task", "send-task", "receive-task", "script-task"),
    *("business-rule-task", "manual-task", "task", "call-activity", "end-event"),
)
OTHERS = (
    *("sub-process", "event-sub-process", "ad-hoc-sub-process", "start-event"),
    *("intermediate-catch-event", "intermediate-throw-event", "boundary-event"),
)
NEVER = frozenset(
    {
        "",
        "UNSPECIFIED",
        "PROCESS",
        "SEQUENCE_FLOW",
        "MULTI_INSTANCE_BODY",
        "AD_HOC_SUB_PROCESS_INNER_INSTANCE",
    }
)


def is_step(value: Value) -> bool:
    """Whether the element is something that people see happen."""
    element_type = value.text("bpmnElementType")
    return element_type not in NEVER and not element_type.endswith("_GATEWAY")


STEP = EventType(
    "step",
    "PROCESS_INSTANCE",
    "A step of a process: a task, a call activity, an event, a sub-process. Gateways, "
    "sequence flows and the bodies around multi-instances aren't steps, whatever is "
    "selected.",
    fields=fields_of(
        "The key of the element's instance: the same for all events of it.",
        text("elementType", "Its type, in the engine's word.", "bpmnElementType"),
        text("eventType", "What sort of event it is, like `TIMER`.", "bpmnEventType"),
        ELEMENT_ID,
        # The record of an element has as its own key what others have in the value.
        record_key("elementInstanceKey", "The key of the element's instance."),
        key("flowScopeKey", "The instance of the process or sub-process around it."),
        *OF_PROCESS,
        VERSION,
        PROCESS_INSTANCE_KEY,
        TAGS,
    ),
    kinds=(
        Kind("activated", "ELEMENT_ACTIVATED", "It has begun."),
        Kind("completed", "ELEMENT_COMPLETED", "It is done."),
        Kind("terminated", "ELEMENT_TERMINATED", "It was cancelled or interrupted."),
    ),
    suits=is_step,
    brackets=Brackets("element types", "bpmnElementType", USUAL + OTHERS, USUAL),
)


ERROR_TYPES = (
    *("job-no-retries", "execution-listener-no-retries", "task-listener-no-retries"),
    *("ad-hoc-sub-process-no-retries", "unhandled-error-event", "io-mapping-error"),
    *("extract-value-error", "condition-error", "called-element-error"),
    *("called-decision-error", "decision-evaluation-error", "form-not-found"),
    *("resource-not-found", "message-size-exceeded", "unknown"),
)

INCIDENT = EventType(
    "incident",
    "INCIDENT",
    "An incident: a process instance can't go on until somebody acts.",
    fields=fields_of(
        "The incident's key: the same for all of its events.",
        text("errorType", "What went wrong, in the engine's word."),
        text("errorMessage", "The same in sentences, which may hold data."),
        key("jobKey", "The job that failed."),
        *OF_PROCESS,
        PROCESS_INSTANCE_KEY,
        *OF_ELEMENT,
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


def is_of_an_element(value: Value) -> bool:
    """Whether the job is an element's own."""
    return not value.text("jobKind").endswith("_LISTENER")


JOB = EventType(
    "job",
    "JOB",
    "A job of an element, for a worker to do. Jobs of listeners are left out.",
    fields=fields_of(
        "The job's key: the same for all events of a job.",
        text("jobType", "What workers ask for.", "type"),
        text("worker", "The worker that had it last."),
        number("retries", "How often it may still be tried."),
        pairs("customHeaders", "The job's headers in the model."),
        text("errorCode", "The code of a BPMN error that was thrown."),
        text(
            "errorMessage",
            "What the worker said when it last failed, which may hold data.",
        ),
        *OF_PROCESS,
        PROCESS_DEFINITION_VERSION,
        PROCESS_INSTANCE_KEY,
        *OF_ELEMENT,
        TAGS,
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
