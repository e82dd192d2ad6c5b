"""The test rig: a recorded engine, stubs of everything around the exporter, a demo."""
