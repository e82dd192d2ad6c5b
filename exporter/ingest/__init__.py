"""Accept bulk requests like Elasticsearch does, and answer after the commit."""

from exporter.ingest.server import OPTIONS, Ingest, Received

__all__ = ["OPTIONS", "Ingest", "Received"]
