"""The whole exporter between a real broker and a backend."""
