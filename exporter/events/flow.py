"""The event types of process instances, steps, incidents and jobs."""

from typing import Any

from exporter.events import fields as f
from exporter.events.event_type import Brackets, EventType, Kind

VERSION = f.key(
    "processDefinitionVersion", "The version of the deployed process.", "version"
)
TAGS = f.items("tags", "Tags of the process instance.", since="8.8")


def is_process(value: Any) -> bool:
    """Whether the element is a process."""
    return bool(value.bpmnElementType == "PROCESS")


PROCESS_INSTANCE = EventType(
    "process-instance",
    "PROCESS_INSTANCE",
    "A process instance. A call activity starts one too.",
    fields=f.fields_of(
        "The process instance's key: the same for all of its events.",
        f.text("elementType", "Always `PROCESS`.", "bpmnElementType"),
        *f.OF_PROCESS,
        VERSION,
        f.PROCESS_INSTANCE_KEY,
        f.key("parentProcessInstanceKey", "The process instance that called this one."),
        f.key("parentElementInstanceKey", "The instance of the call activity there."),
        f.key(
            "rootProcessInstanceKey",
            "The process instance at the top of the call hierarchy.",
            since="8.9",
        ),
        TAGS,
        f.text("businessId", "The business id given at the start.", since="8.9"),
    ),
    kinds=(
        Kind("started", "ELEMENT_ACTIVATED", "The instance started."),
        Kind("completed", "ELEMENT_COMPLETED", "The instance ended.", ends=True),
        Kind(
            "terminated",
            "ELEMENT_TERMINATED",
            "The instance was cancelled, or the instance that called it.",
            ends=True,
        ),
        Kind("suspended", "SUSPENDED", "The instance was suspended.", since="8.10"),
        Kind("resumed", "RESUMED", "The instance was resumed.", since="8.10"),
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
NEVER = {
    *("", "UNSPECIFIED", "PROCESS", "SEQUENCE_FLOW", "MULTI_INSTANCE_BODY"),
    "AD_HOC_SUB_PROCESS_INNER_INSTANCE",
}


def is_step(value: Any) -> bool:
    """Whether the element is a step."""
    element_type = value.bpmnElementType
    return element_type not in NEVER and not element_type.endswith("_GATEWAY")


STEP = EventType(
    "step",
    "PROCESS_INSTANCE",
    "A step of a process: a task, a call activity, an event or a sub-process. "
    "Gateways, sequence flows and the bodies of multi-instances are never steps.",
    fields=f.fields_of(
        "The key of the element's instance: the same for all of its events.",
        f.text(
            "elementType",
            "The type of the element, in the engine's word.",
            "bpmnElementType",
        ),
        f.text("eventType", "The type of a BPMN event, like `TIMER`.", "bpmnEventType"),
        f.ELEMENT_ID,
        # In other records this key is in the value.
        f.record_key("elementInstanceKey", "The key of the element's instance."),
        f.key("flowScopeKey", "The instance of the process or sub-process around it."),
        *f.OF_PROCESS,
        VERSION,
        f.PROCESS_INSTANCE_KEY,
        TAGS,
    ),
    kinds=(
        Kind("activated", "ELEMENT_ACTIVATED", "The step began."),
        Kind("completed", "ELEMENT_COMPLETED", "The step is done."),
        Kind(
            "terminated", "ELEMENT_TERMINATED", "The step was cancelled or interrupted."
        ),
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
    "An incident: a process instance can't continue until somebody acts.",
    fields=f.fields_of(
        "The incident's key: the same for all of its events.",
        f.text("errorType", "The type of the error, in the engine's word."),
        f.text("errorMessage", "The error in sentences, which may contain data."),
        f.key("jobKey", "The job that failed."),
        *f.OF_PROCESS,
        f.PROCESS_INSTANCE_KEY,
        *f.OF_ELEMENT,
    ),
    kinds=(
        Kind(
            "created",
            "CREATED",
            "A process instance can't continue. If no element catches an error, "
            "`elementId` may be `NO_CATCH_EVENT_FOUND` in brokers before 8.8.",
        ),
        Kind(
            "resolved",
            "RESOLVED",
            "The process instance continues, or was cancelled: then its incidents "
            "are resolved too.",
            ends=True,
        ),
    ),
    brackets=Brackets("error types", "errorType", ERROR_TYPES),
)


def is_of_an_element(value: Any) -> bool:
    """Whether the job isn't for a listener."""
    return not value.jobKind.endswith("_LISTENER")


JOB = EventType(
    "job",
    "JOB",
    "A job of an element, for a worker to do. Jobs of listeners are left out.",
    fields=f.fields_of(
        "The job's key: the same for all events of a job.",
        f.text("jobType", "The type that workers subscribe to.", "type"),
        f.text("worker", "The last worker of the job."),
        f.number("retries", "The remaining retries."),
        f.pairs("customHeaders", "The job's headers in the model."),
        f.text("errorCode", "The code of the thrown BPMN error."),
        f.text(
            "errorMessage", "The message of the last failure, which may contain data."
        ),
        *f.OF_PROCESS,
        f.PROCESS_DEFINITION_VERSION,
        f.PROCESS_INSTANCE_KEY,
        *f.OF_ELEMENT,
        TAGS,
    ),
    kinds=(
        Kind("created", "CREATED", "The job waits for a worker."),
        Kind("completed", "COMPLETED", "A worker completed the job."),
        Kind(
            "failed",
            "FAILED",
            "A worker failed the job. It is tried again while there are retries; "
            "then an incident is created.",
        ),
        Kind("timed-out", "TIMED_OUT", "A worker took too long; the job waits again."),
        Kind(
            "error-thrown",
            "ERROR_THROWN",
            "A worker threw a BPMN error. If no element catches the error, "
            "`elementId` is `NO_CATCH_EVENT_FOUND`.",
        ),
        Kind("canceled", "CANCELED", "The job is no longer needed."),
        Kind(
            "retries-updated", "RETRIES_UPDATED", "The number of retries was changed."
        ),
        Kind(
            "updated",
            "UPDATED",
            "The retries or the timeout were changed, with the REST API since 8.6.",
            extra=(
                f.items("changedAttributes", "The names of the changed attributes."),
            ),
            since="8.6",
        ),
    ),
    suits=is_of_an_element,
    also=(f.text("jobKind", "What the job is for."),),
    brackets=Brackets("job types", "type"),
)
