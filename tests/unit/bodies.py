"""Actions in the spelling of brokers, and the content of a body."""

from exporter.events import DEFAULT_TENANT
from exporter.ingest.bulk import Bulk

USER_TASKS = "zeebe-record_user-task_8.6.0_2026-11-23"
OLDER = b'{"index":{"routing":"1","_index":"%b","_id":"1-7"}}' % USER_TASKS.encode()
NEWER = b'{"index":{"_id":"1-7","_index":"%b","routing":"1"}}' % USER_TASKS.encode()
ANSWER = b'{"index":{"_index":"%b","_id":"1-7","status":201}}' % USER_TASKS.encode()


class Documents:
    """A mapper whose events are the documents of *wanted* indices."""

    def __init__(self, wanted):
        self._wanted = wanted

    def tenant_of(self, index):
        """Return the default tenant, or None for an unwanted *index*."""
        return DEFAULT_TENANT if self._wanted(index) else None

    def event(self, document, _):
        """Return *document*."""
        return document


def content_of(*chunks, wanted=lambda _: True):
    """Return the answers and documents of a body that arrives in *chunks*."""
    bulk = Bulk(Documents(wanted))
    for chunk in chunks:
        bulk.feed(chunk)
    bulk.end()
    return bulk.answers, bulk.events
