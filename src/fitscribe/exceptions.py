"""MLflow's name for errors: `except mlflow.exceptions.MlflowException` catches ours after a changed import line."""

from fitscribe.errors import FitscribeError

__all__ = ["MlflowException"]

MlflowException = FitscribeError
