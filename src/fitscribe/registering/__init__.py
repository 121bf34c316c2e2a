"""The registry of an endpoint under the names of MLflow's client: models, versions, webhooks, and lineage.

These writes are done when the call returns. Like reads they raise `TransportError`, `NotFoundError` and `ServerError`.
"""
