"""Benchmarks of rate, latency and memory (`make bench`)."""
