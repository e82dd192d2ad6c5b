"""
Which records become events, and how.

A new value type is one module and one row of `MAPPINGS`. Pure on purpose: no clock, no
I/O, no settings.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from exporter import codec
from exporter.events import user_task
from exporter.events.event import NO_INSTANCE, Event
from exporter.events.record import Record, UnmappableError


class Mapping(NamedTuple):
    """What is selected of one value type, and the event it becomes."""

    intents: frozenset[str]
    body: Callable[[Record], dict[str, Any]]


MAPPINGS = {
    "USER_TASK": Mapping(user_task.INTENTS, user_task.body),
}

INDEX_NAME_PARTS = 4
LONGEST_INDEX_NAME = 255  # bytes, by Elasticsearch's own rule

# As index names spell them, of brokers 8.5 to 8.10. Any other name may be newer.
KNOWN_TYPES = frozenset(
    {
        "ad-hoc-sub-process-instruction",
        "agent-definition",
        "agent-history",
        "agent-instance",
        "async-request",
        "authorization",
        "batch-operation-chunk",
        "batch-operation-creation",
        "batch-operation-execution",
        "batch-operation-initialization",
        "batch-operation-lifecycle-management",
        "batch-operation-partition-lifecycle",
        "checkpoint",
        "cluster-variable",
        "command-distribution",
        "compensation-subscription",
        "conditional-evaluation",
        "conditional-subscription",
        "decision",
        "decision-evaluation",
        "decision-requirements",
        "deployment",
        "deployment-distribution",
        "error",
        "escalation",
        "form",
        "global-listener",
        "global-listener-batch",
        "group",
        "identity-setup",
        "incident",
        "job",
        "job-batch",
        "mapping-rule",
        "message",
        "message-batch",
        "message-correlation",
        "message-start-event-subscription",
        "message-subscription",
        "multi-instance",
        "process",
        "process-event",
        "process-instance",
        "process-instance-batch",
        "process-instance-creation",
        "process-instance-migration",
        "process-instance-modification",
        "process-instance-result",
        "process-message-subscription",
        "resource",
        "resource-deletion",
        "role",
        "runtime-instruction",
        "scale",
        "signal",
        "signal-subscription",
        "tenant",
        "timer",
        "usage-metric",
        "user",
        "user-task",
        "variable",
        "variable-document",
    }
)
WANTED_TYPES = frozenset(name.lower().replace("_", "-") for name in MAPPINGS)


def may_be_wanted(index: bytes) -> bool:
    """
    Tell from the name of its *index* whether a record must be looked at.

    The name is `<prefix>_<value type>_<version>_<date>`; when it can't tell, it's yes.
    """
    return len(index) > LONGEST_INDEX_NAME or _may_be_wanted(index)


@lru_cache(maxsize=4096)  # a broker has some dozens of them, and new ones every day
def _may_be_wanted(index: bytes) -> bool:
    parts = index.decode(errors="replace").split("_")
    if len(parts) != INDEX_NAME_PARTS:
        return True
    return parts[1] in WANTED_TYPES or parts[1] not in KNOWN_TYPES


def to_event(line: bytes) -> Event | None:
    """
    Return the event for the record in *line*, or None when no rule selects it.

    Raises `UnmappableError` for what can't be read or mapped.
    """
    record = Record(line)
    mapping = MAPPINGS.get(record.word("valueType"))
    if (
        mapping is None
        or record.word("recordType") != "EVENT"
        or record.word("intent") not in mapping.intents
    ):
        return None
    try:
        body = codec.encode(mapping.body(record))
    except (ValueError, OverflowError) as error:
        raise UnmappableError(f"it can't be encoded: {error}") from error
    return Event(
        partition=record.number("partitionId", least=1),
        position=record.number("position", least=0),
        timestamp=record.number("timestamp", least=0),
        key=record.number("key"),
        instance=record.value.number("processInstanceKey", NO_INSTANCE),
        body=body,
    )
