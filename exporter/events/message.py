"""Messages, and where they got to."""

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
    moment,
    text,
)

CORRELATION_KEY = text(
    "correlationKey", "What the process instance is found by, which may hold data."
)

MESSAGE = EventType(
    "message",
    "MESSAGE",
    "A message that was published, without its variables.",
    fields=(
        identifier("The message's key: the same for all events of a message."),
        INTENT,
        TYPE,
        text("messageName", "Its name.", "name"),
        CORRELATION_KEY,
        text("messageId", "What keeps it from being published twice."),
        moment("deadline", "Until when it is kept for those who may come to wait."),
        TENANT_ID,
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
    fields=(
        identifier("The subscription's key: the same for all of its events."),
        INTENT,
        TYPE,
        text("messageName", "The message's name."),
        CORRELATION_KEY,
        key("messageKey", "The message that has arrived."),
        PROCESS_DEFINITION_KEY._replace(since="8.9"),
        PROCESS_DEFINITION_ID,
        PROCESS_INSTANCE_KEY,
        ELEMENT_ID,
        ELEMENT_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind("created", "CREATED", "It waits."),
        Kind("correlated", "CORRELATED", "The message has arrived."),
    ),
    brackets=Brackets("message names", "messageName"),
    in_brief=False,
)
