"""Variables, messages, signals, timers, decisions, escalations, deployed processes."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_INSTANCE_KEY,
    OF_ELEMENT,
    OF_PROCESS,
    OLDEST,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    Field,
    Form,
    fields_of,
    key,
    moment,
    number,
    text,
)
from exporter.events.flow import VERSION

MOST_CHARACTERS = 8192
"""How much of a value is sent."""

VARIABLE = EventType(
    "variable",
    "VARIABLE",
    "A variable of a process instance or of an element in it. Values may be personal "
    "data, so the names have to be listed; `[*]` is all of them.",
    fields=fields_of(
        "The variable's key: the same for all events of a variable.",
        text("name", "Its name."),
        Field(
            "value",
            Form.TEXT,
            f"Its value as JSON text, of which the first {MOST_CHARACTERS} characters.",
            "value.value",
            OLDEST,
            lambda _, value: value.text("value")[:MOST_CHARACTERS],
        ),
        Field(
            "truncated",
            Form.FLAG,
            "Whether the value is longer, and so `value` no JSON.",
            "value.value",
            OLDEST,
            lambda _, value: len(value.text("value")) > MOST_CHARACTERS,
        ),
        key("scopeKey", "The instance of the process or the element that has it."),
        *OF_PROCESS,
        PROCESS_INSTANCE_KEY,
    ),
    kinds=(
        Kind("created", "CREATED", "There is one more."),
        Kind("updated", "UPDATED", "It has another value."),
    ),
    brackets=Brackets("names", "name", usual=()),
)


CORRELATION_KEY = text(
    "correlationKey", "What the process instance is found by, which may hold data."
)

MESSAGE = EventType(
    "message",
    "MESSAGE",
    "A message that was published, without its variables.",
    fields=fields_of(
        "The message's key: the same for all events of a message.",
        text("messageName", "Its name.", "name"),
        CORRELATION_KEY,
        text("messageId", "What keeps it from being published twice."),
        moment("deadline", "Until when it is kept for later subscriptions."),
    ),
    kinds=(
        Kind("published", "PUBLISHED", "It was published."),
        Kind(
            "expired",
            "EXPIRED",
            "It is kept no longer. Brokers often say of it only its `id`, so brackets "
            "don't find it.",
        ),
    ),
    brackets=Brackets("message names", "name"),
    element="",
    in_brief=False,
)

MESSAGE_SUBSCRIPTION = EventType(
    "message-subscription",
    "PROCESS_MESSAGE_SUBSCRIPTION",
    "An element of a process instance that waits for a message, without what the "
    "message brings along.",
    fields=fields_of(
        "The subscription's key: the same for all of its events.",
        text("messageName", "The message's name."),
        CORRELATION_KEY,
        key("messageKey", "The message that has arrived."),
        PROCESS_DEFINITION_KEY._replace(since="8.9"),
        PROCESS_DEFINITION_ID,
        PROCESS_INSTANCE_KEY,
        *OF_ELEMENT,
    ),
    kinds=(
        Kind("created", "CREATED", "It waits."),
        Kind("correlated", "CORRELATED", "The message has arrived."),
    ),
    brackets=Brackets("message names", "messageName"),
    in_brief=False,
)


SIGNAL = EventType(
    "signal",
    "SIGNAL",
    "A broadcast signal, without its variables. Every partition of a cluster sends "
    "it, with the same `id`.",
    fields=fields_of(
        "The signal's key.",
        text("signalName", "Its name."),
    ),
    kinds=(Kind("broadcasted", "BROADCASTED", "It was sent to everybody."),),
    brackets=Brackets("signal names", "signalName"),
    element="",
    in_brief=False,
)


TIMER = EventType(
    "timer",
    "TIMER",
    "A timer of an element. One that starts process instances has none itself.",
    fields=fields_of(
        "The timer's key: the same for all events of a timer.",
        moment("dueAt", "When it is due.", "dueDate"),
        number("repetitions", "How often it will be due; -1 is without end."),
        PROCESS_DEFINITION_KEY,
        PROCESS_INSTANCE_KEY,
        text("elementId", "The id of the element that it triggers.", "targetElementId"),
        ELEMENT_INSTANCE_KEY,
    ),
    kinds=(
        Kind("created", "CREATED", "It runs."),
        Kind("triggered", "TRIGGERED", "It was due."),
        Kind("canceled", "CANCELED", "It need not run any more."),
    ),
    element="targetElementId",
    in_brief=False,
)


FAILED = (
    text("failedDecisionId", "The decision that failed: this one, or one it needs."),
    text(
        "failureMessage", "Why it did, which may hold data.", "evaluationFailureMessage"
    ),
)

DECISION = EventType(
    "decision",
    "DECISION_EVALUATION",
    "The evaluation of a decision, by a business rule task or by itself, without what "
    "went in.",
    fields=fields_of(
        "The evaluation's key.",
        key("decisionKey", "The deployed decision."),
        text("decisionId", "Its id in the model."),
        text("decisionName", "Its name in the model."),
        key("decisionVersion", "Its version."),
        text("decisionOutput", "What came out, as JSON text, which may hold data."),
        *OF_PROCESS,
        PROCESS_INSTANCE_KEY,
        *OF_ELEMENT,
    ),
    kinds=(
        Kind("evaluated", "EVALUATED", "There is a result."),
        Kind("failed", "FAILED", "There is none.", extra=FAILED),
    ),
    brackets=Brackets("decision ids", "decisionId"),
    in_brief=False,
)


ESCALATION = EventType(
    "escalation",
    "ESCALATION",
    "An escalation that an element threw.",
    fields=fields_of(
        "The escalation's key.",
        text("escalationCode", "Its code."),
        text("throwElementId", "The id of the element that threw it."),
        text("catchElementId", "The id of the element that caught it."),
        PROCESS_INSTANCE_KEY,
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
    "A process that can be started, without its model. Every partition of a cluster "
    "sends it, with the same `id`.",
    fields=fields_of(
        "The key of the deployed process.",
        *OF_PROCESS,
        VERSION,
        text("versionTag", "The tag of that version in the model.", since="8.6"),
        text("resourceName", "The file it was deployed as."),
        key("deploymentKey", "The deployment.", since="8.6"),
    ),
    kinds=(Kind("deployed", "CREATED", "It was deployed, or a new version of it."),),
    element="",
)
