"""Read the value type and the physical tenant from the name of an index."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote

from exporter.events.event import DEFAULT_TENANT

PREFIX = b"zeebe-record"
"""The exporters' default prefix; a dash and a physical tenant may follow."""
# Brokers up to 8.10 allow no `_` in a prefix. If a later one does, the name of the
# value type ends the tenant.
TENANT = re.compile(rb"%b-(?:(.+?)_[a-z-]+_\d[^_]*_.*|([^_]+).*)" % PREFIX, re.DOTALL)
INDEX_NAME_PARTS = 4
LONGEST_INDEX_NAME = 255  # bytes, the limit of Elasticsearch

# The value types of brokers 8.5 to 8.10 in index names. Other names may be newer.
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


def tenant_reader(value_types: Iterable[str]) -> Callable[[bytes], str | None]:
    """
    Return a function from the name of an index to the physical tenant of its records.

    It returns None if the value type is known and not in *value_types*. An index is
    named `<prefix>_<value type>_<version>_<date>`. Other names are accepted.
    """
    wanted = {name.lower().replace("_", "-") for name in value_types}

    @lru_cache(maxsize=4096)  # there are dozens of indices, and new ones every day
    def read(index: bytes) -> str | None:
        parts = index.decode(errors="replace").split("_")
        usual = len(parts) == INDEX_NAME_PARTS
        if usual and parts[1] not in wanted and parts[1] in KNOWN_TYPES:
            return None
        return tenant_in(index)

    return lambda index: (
        read(index) if len(index) <= LONGEST_INDEX_NAME else DEFAULT_TENANT
    )


def tenant_in(index: bytes) -> str:
    """
    Return the physical tenant of the records in *index*, quoted for headers.

    It's `default` unless the index begins with the default prefix, a dash and a name.
    """
    named = TENANT.fullmatch(index)
    # Quoted, because a comma separates identities, and headers are ASCII.
    return quote(named[1] or named[2], safe="") if named else DEFAULT_TENANT
