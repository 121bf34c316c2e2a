"""The real thing: real frameworks, a real MLflow server on loopback, benchmarks."""
