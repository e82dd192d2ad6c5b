"""What the name of an index tells about a record, before anybody reads it."""

from collections.abc import Callable, Iterable
from functools import lru_cache

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
        "job-metrics-batch",
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


def chooser(value_types: Iterable[str]) -> Callable[[bytes], bool]:
    """
    Return what tells from the name of an index whether a record must be looked at.

    The name is `<prefix>_<value type>_<version>_<date>`; when it can't tell, it's yes.
    """
    wanted = {name.lower().replace("_", "-") for name in value_types}

    @lru_cache(maxsize=4096)  # a broker has some dozens of them, and new ones every day
    def is_wanted(index: bytes) -> bool:
        parts = index.decode(errors="replace").split("_")
        if len(parts) != INDEX_NAME_PARTS:
            return True
        return parts[1] in wanted or parts[1] not in KNOWN_TYPES

    return lambda index: len(index) > LONGEST_INDEX_NAME or is_wanted(index)
