"""Benchmarks: the same work with no logging, with MLflow and with fitscribe, in turn, in one run."""
