"""What puts broker and exporter side by side; no stage imports it."""
