"""The event types of variables, messages, signals, timers, decisions and others."""

from exporter.events import fields as f
from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.flow import VERSION

MOST_CHARACTERS = 8192
"""The characters of a variable's value that are sent."""

VALUE = f.text(
    "value", f"The value as JSON text, limited to {MOST_CHARACTERS} characters."
)._replace(convert=lambda text: text[:MOST_CHARACTERS])
TRUNCATED = VALUE._replace(
    name="truncated",
    form=f.Form.FLAG,
    meaning="Whether the value is longer. Then `value` isn't valid JSON.",
    convert=lambda text: len(text) > MOST_CHARACTERS,
)

VARIABLE = EventType(
    "variable",
    "VARIABLE",
    "A variable of a process instance or of one of its elements. Values may be "
    "personal data, so the names must be listed; `[*]` selects all of them.",
    fields=f.fields_of(
        "The variable's key: the same for all events of a variable.",
        f.text("name", "The variable's name."),
        VALUE,
        TRUNCATED,
        f.key("scopeKey", "The instance of the process or element with the variable."),
        *f.OF_PROCESS,
        f.PROCESS_INSTANCE_KEY,
    ),
    kinds=(
        Kind("created", "CREATED", "The variable was created."),
        Kind("updated", "UPDATED", "The value was changed."),
    ),
    brackets=Brackets("names", "name", usual=()),
    element="",
)


CORRELATION_KEY = f.text(
    "correlationKey", "The key for correlation, which may contain data."
)

MESSAGE = EventType(
    "message",
    "MESSAGE",
    "A message that was published, without its variables.",
    fields=f.fields_of(
        "The message's key: the same for all events of a message.",
        f.text("messageName", "The message's name.", "name"),
        CORRELATION_KEY,
        f.text("messageId", "The id that prevents a second publication."),
        f.moment("deadline", "The time until which the message is kept."),
    ),
    kinds=(
        Kind("published", "PUBLISHED", "The message was published."),
        Kind(
            "expired",
            "EXPIRED",
            "The message is no longer kept. Often only its `id` is known: then "
            "brackets don't select the event.",
        ),
    ),
    brackets=Brackets("message names", "name"),
    element="",
    in_brief=False,
)

MESSAGE_SUBSCRIPTION = EventType(
    "message-subscription",
    "PROCESS_MESSAGE_SUBSCRIPTION",
    "An element of a process instance that waits for a message, without the "
    "message's variables.",
    fields=f.fields_of(
        "The subscription's key: the same for all of its events.",
        f.text("messageName", "The message's name."),
        CORRELATION_KEY,
        f.key("messageKey", "The correlated message."),
        f.PROCESS_DEFINITION_KEY._replace(since="8.9"),
        f.PROCESS_DEFINITION_ID,
        f.PROCESS_INSTANCE_KEY,
        *f.OF_ELEMENT,
    ),
    kinds=(
        Kind("created", "CREATED", "The element waits."),
        Kind("correlated", "CORRELATED", "The message arrived."),
    ),
    brackets=Brackets("message names", "messageName"),
    in_brief=False,
)


SIGNAL = EventType(
    "signal",
    "SIGNAL",
    "A broadcast signal, without its variables. Every partition of a cluster sends "
    "it, with the same `id`.",
    fields=f.fields_of("The signal's key.", f.text("signalName", "The signal's name.")),
    kinds=(Kind("broadcasted", "BROADCASTED", "The signal was broadcast."),),
    brackets=Brackets("signal names", "signalName"),
    element="",
    in_brief=False,
)


TIMER = EventType(
    "timer",
    "TIMER",
    "A timer of an element. A timer of a start event has no process instance.",
    fields=f.fields_of(
        "The timer's key: the same for all events of a timer.",
        f.moment("dueAt", "The due time.", "dueDate"),
        f.number("repetitions", "How often the timer will trigger; -1 is without end."),
        f.PROCESS_DEFINITION_KEY,
        f.PROCESS_INSTANCE_KEY,
        f.text("elementId", "The id of the triggered element.", "targetElementId"),
        f.ELEMENT_INSTANCE_KEY,
    ),
    kinds=(
        Kind("created", "CREATED", "The timer runs."),
        Kind("triggered", "TRIGGERED", "The timer triggered."),
        Kind("canceled", "CANCELED", "The timer is no longer needed."),
    ),
    element="targetElementId",
    in_brief=False,
)


FAILED = (
    f.text(
        "failedDecisionId", "The decision that failed: this one, or a required one."
    ),
    f.text(
        "failureMessage",
        "The reason, which may contain data.",
        "evaluationFailureMessage",
    ),
)

DECISION = EventType(
    "decision",
    "DECISION_EVALUATION",
    "The evaluation of a decision, by a business rule task or on its own, without "
    "its inputs.",
    fields=f.fields_of(
        "The evaluation's key.",
        f.key("decisionKey", "The deployed decision."),
        f.text("decisionId", "The decision's id in the model."),
        f.text("decisionName", "The decision's name in the model."),
        f.key("decisionVersion", "The decision's version."),
        f.text("decisionOutput", "The result as JSON text, which may contain data."),
        *f.OF_PROCESS,
        f.PROCESS_INSTANCE_KEY,
        *f.OF_ELEMENT,
    ),
    kinds=(
        Kind("evaluated", "EVALUATED", "The evaluation has a result."),
        Kind("failed", "FAILED", "The evaluation failed.", extra=FAILED),
    ),
    brackets=Brackets("decision ids", "decisionId"),
    in_brief=False,
)


ESCALATION = EventType(
    "escalation",
    "ESCALATION",
    "An escalation that an element threw.",
    fields=f.fields_of(
        "The escalation's key.",
        f.text("escalationCode", "The escalation's code."),
        f.text("throwElementId", "The id of the element that threw it."),
        f.text("catchElementId", "The id of the element that caught it."),
        f.PROCESS_INSTANCE_KEY,
    ),
    kinds=(
        Kind("escalated", "ESCALATED", "An element caught it."),
        Kind("not-escalated", "NOT_ESCALATED", "No element caught it."),
    ),
    brackets=Brackets("codes", "escalationCode"),
    element="throwElementId",
    in_brief=False,
)


PROCESS = EventType(
    "process",
    "PROCESS",
    "A deployed process, without its model. Every partition of a cluster sends it, "
    "with the same `id`.",
    fields=f.fields_of(
        "The key of the deployed process.",
        *f.OF_PROCESS,
        VERSION,
        f.text("versionTag", "The version tag in the model.", since="8.6"),
        f.text("resourceName", "The name of the deployed file."),
        f.key("deploymentKey", "The deployment.", since="8.6"),
    ),
    kinds=(Kind("deployed", "CREATED", "The process was deployed, or a new version."),),
    element="",
)
