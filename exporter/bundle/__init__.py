"""Process 1 of the combined image: it runs the broker and the exporter."""
