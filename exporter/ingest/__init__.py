"""Speaks as much Elasticsearch as the broker needs; answers after the commit."""

from exporter.ingest.server import OPTIONS, Ingest, Received

__all__ = ["OPTIONS", "Ingest", "Received"]
