"""Actions in the spelling of brokers, and the items of a body."""

from exporter.events import DEFAULT_TENANT
from exporter.ingest.bulk import BulkParser

USER_TASKS = "zeebe-record_user-task_8.6.0_2026-11-23"
OLDER = b'{"index":{"routing":"1","_index":"%b","_id":"1-7"}}' % USER_TASKS.encode()
NEWER = b'{"index":{"_id":"1-7","_index":"%b","routing":"1"}}' % USER_TASKS.encode()
ANSWER = b'{"index":{"_index":"%b","_id":"1-7","status":201}}' % USER_TASKS.encode()


def items_of(*chunks, wanted=lambda _: True):
    """Return the items of a body that arrives in *chunks*."""
    parser = BulkParser(lambda index: DEFAULT_TENANT if wanted(index) else None)
    items = [item for chunk in chunks for item in parser.feed(chunk)]
    return items + list(parser.end())
