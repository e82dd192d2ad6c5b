"""The test rig: a recorded engine, stubs of the exporter's neighbours, and a demo."""
