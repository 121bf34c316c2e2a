"""MLflow's other door to the client: `mlflow.tracking.MlflowClient`."""

from fitscribe.client import MlflowClient
from fitscribe.fluent import get_tracking_uri, is_tracking_uri_set, set_tracking_uri
from fitscribe.registry import get_registry_uri, set_registry_uri

__all__ = [
    "MlflowClient",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]
