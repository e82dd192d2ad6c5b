"""The value type and physical tenant of records, by the name of their index."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote

from exporter.events.event import DEFAULT_TENANT

PREFIX = b"zeebe-record"
"""The exporters' own default; the name of a physical tenant follows a dash."""
# No broker up to 8.10 takes a prefix with `_`. If one does, the value type is its end.
TENANT = re.compile(rb"%b-(?:(.+?)_[a-z-]+_\d[^_]*_.*|([^_]+).*)" % PREFIX, re.DOTALL)
INDEX_NAME_PARTS = 4
LONGEST_INDEX_NAME = 255  # bytes, by Elasticsearch's own rule

# As index names spell them, of brokers 8.5 to 8.10. Any other name may be newer.
NAMES = """
ad-hoc-sub-process-instruction agent-definition agent-history agent-instance
async-request authorization batch-operation-chunk batch-operation-creation
batch-operation-execution batch-operation-initialization
batch-operation-lifecycle-management batch-operation-partition-lifecycle checkpoint
cluster-variable command-distribution compensation-subscription
conditional-evaluation conditional-subscription decision decision-evaluation
decision-requirements deployment deployment-distribution error escalation form
global-listener global-listener-batch group identity-setup incident job job-batch
job-metrics-batch mapping-rule message message-batch message-correlation
message-start-event-subscription message-subscription multi-instance process
process-event process-instance process-instance-batch process-instance-creation
process-instance-migration process-instance-modification process-instance-result
process-message-subscription resource resource-deletion role runtime-instruction
scale signal signal-subscription tenant timer usage-metric user user-task variable
variable-document
"""
KNOWN_TYPES = frozenset(NAMES.split())


def reader(value_types: Iterable[str]) -> Callable[[bytes], str | None]:
    """
    Return a function from the name of an index to the physical tenant of its records.

    It returns None for records that needn't be read. The name of an index is
    `<prefix>_<value type>_<version>_<date>`; records of other names are read.
    """
    wanted = {name.lower().replace("_", "-") for name in value_types}

    @lru_cache(maxsize=4096)  # a broker has some dozens of them, and new ones every day
    def read(index: bytes) -> str | None:
        parts = index.decode(errors="replace").split("_")
        told = len(parts) == INDEX_NAME_PARTS
        if told and parts[1] not in wanted and parts[1] in KNOWN_TYPES:
            return None
        return tenant_in(index)

    return lambda index: (
        read(index) if len(index) <= LONGEST_INDEX_NAME else DEFAULT_TENANT
    )


def tenant_in(index: bytes) -> str:
    """
    Return the physical tenant whose records are in *index*, as headers can carry it.

    Any prefix other than the default one with a dash and a name means `default`.
    """
    named = TENANT.fullmatch(index)
    # Quoted, because identities are listed with commas, and a header has ASCII alone.
    return quote(named[1] or named[2], safe="") if named else DEFAULT_TENANT
