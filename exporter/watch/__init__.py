"""What operators see: metrics, log lines, and the state of everything."""
