"""Tests of the whole exporter between an engine, recorded or real, and a backend."""
