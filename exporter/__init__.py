"""Forward what happens in a Camunda 8 engine to an HTTP backend."""

__version__ = "0.1.0"
