"""The one table of routes: method and path to the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fitscribe.store import artifacts, batches, datasets, experiments, history, runs, search, tags
from fitscribe.store.database import Database
from fitscribe.store.fields import Body

__all__ = ["ARTIFACTS", "PREFIXES", "ROUTES", "Handler"]

Handler: TypeAlias = Callable[[Database, Body], dict[str, Any]]

PREFIXES = ("/api/2.0/", "/ajax-api/2.0/")
ARTIFACTS = "mlflow-artifacts/artifacts"
"""Behind it and a slash comes a path of artifacts: PUT, GET and DELETE go to `artifacts`."""

ROUTES: dict[str, dict[str, Handler]] = {
    "mlflow/experiments/create": {"POST": experiments.create},
    "mlflow/experiments/get": {"GET": experiments.get},
    "mlflow/experiments/get-by-name": {"GET": experiments.by_name},
    "mlflow/experiments/search": {"POST": search.search_experiments, "GET": search.search_experiments},
    "mlflow/experiments/update": {"POST": experiments.rename},
    "mlflow/experiments/delete": {"POST": experiments.delete_experiment},
    "mlflow/experiments/restore": {"POST": experiments.restore},
    "mlflow/experiments/set-experiment-tag": {"POST": experiments.set_tag},
    "mlflow/experiments/delete-experiment-tag": {"POST": experiments.delete_tag},
    "mlflow/runs/create": {"POST": runs.create},
    "mlflow/runs/get": {"GET": runs.get},
    "mlflow/runs/update": {"POST": runs.change},
    "mlflow/runs/delete": {"POST": runs.delete},
    "mlflow/runs/restore": {"POST": runs.restore},
    "mlflow/runs/search": {"POST": search.search_runs},
    "mlflow/runs/log-metric": {"POST": batches.log_metric},
    "mlflow/runs/log-parameter": {"POST": batches.log_parameter},
    "mlflow/runs/log-batch": {"POST": batches.log_batch},
    "mlflow/runs/set-tag": {"POST": tags.set_tag},
    "mlflow/runs/delete-tag": {"POST": tags.delete},
    "mlflow/runs/log-inputs": {"POST": datasets.log_inputs},
    "mlflow/runs/log-model": {"POST": tags.log_model},
    "mlflow/metrics/get-history": {"GET": history.history},
    "mlflow/metrics/get-history-bulk-interval": {"GET": history.sampled},
    "mlflow/artifacts/list": {"GET": artifacts.list_run},
    ARTIFACTS: {"GET": artifacts.list_folder},
}
