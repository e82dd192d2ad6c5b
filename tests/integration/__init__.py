"""The whole exporter between an engine, recorded or real, and a backend."""
