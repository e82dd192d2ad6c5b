"""Process 1 of the image: broker and exporter side by side."""
