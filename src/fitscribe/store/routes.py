"""The one table of routes: method and path to the function that answers; `{name}` in a path is a field of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

from fitscribe.store import artifacts, batches, datasets, experiments, history, runs, search, tags
from fitscribe.store.database import Database
from fitscribe.store.fields import Body
from fitscribe.store.logged import files as logged_files
from fitscribe.store.logged import models as logged
from fitscribe.store.logged import search as logged_search
from fitscribe.store.registry import aliases, hooks, models, stages, versions
from fitscribe.store.registry import search as registry

__all__ = ["ARTIFACTS", "PREFIXES", "ROUTES", "Handler", "found"]

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
    "mlflow/runs/outputs": {"POST": logged.outputs},
    "mlflow/metrics/get-history": {"GET": history.history},
    "mlflow/metrics/get-history-bulk-interval": {"GET": history.sampled},
    "mlflow/artifacts/list": {"GET": artifacts.list_run},
    ARTIFACTS: {"GET": artifacts.list_folder},
    "mlflow/logged-models": {"POST": logged.create},
    "mlflow/logged-models/search": {"POST": logged_search.search},
    "mlflow/logged-models/{model_id}": {"GET": logged.get, "PATCH": logged.finish, "DELETE": logged.delete},
    "mlflow/logged-models/{model_id}/params": {"POST": logged.log_params},
    "mlflow/logged-models/{model_id}/tags": {"PATCH": logged.set_tags},
    "mlflow/logged-models/{model_id}/tags/{tag_key}": {"DELETE": logged.delete_tag},
    "mlflow/logged-models/{model_id}/artifacts/directories": {"GET": logged_files.listed},
    "mlflow/logged-models/{model_id}/artifacts/files": {"GET": logged_files.content},
    "mlflow/registered-models/create": {"POST": models.create},
    "mlflow/registered-models/get": {"GET": models.get},
    "mlflow/registered-models/update": {"PATCH": models.change},
    "mlflow/registered-models/rename": {"POST": models.rename},
    "mlflow/registered-models/delete": {"DELETE": models.delete_model},
    "mlflow/registered-models/search": {"GET": registry.search_models},
    "mlflow/registered-models/get-latest-versions": {"GET": stages.latest, "POST": stages.latest},
    "mlflow/registered-models/set-tag": {"POST": models.set_tag},
    "mlflow/registered-models/delete-tag": {"DELETE": models.delete_tag},
    "mlflow/registered-models/alias": {"POST": aliases.set_alias, "GET": aliases.get, "DELETE": aliases.remove},
    "mlflow/model-versions/create": {"POST": versions.create},
    "mlflow/model-versions/get": {"GET": versions.get},
    "mlflow/model-versions/update": {"PATCH": versions.change},
    "mlflow/model-versions/delete": {"DELETE": versions.delete_version},
    "mlflow/model-versions/search": {"GET": registry.search_versions},
    "mlflow/model-versions/get-download-uri": {"GET": versions.download_uri},
    "mlflow/model-versions/transition-stage": {"POST": stages.transition},
    "mlflow/model-versions/set-tag": {"POST": versions.set_tag},
    "mlflow/model-versions/delete-tag": {"DELETE": versions.delete_tag},
    "mlflow/webhooks": {"POST": hooks.create, "GET": hooks.listed},
    "mlflow/webhooks/{webhook_id}": {"GET": hooks.get, "PATCH": hooks.change, "DELETE": hooks.remove},
}


def found(tail: str) -> tuple[dict[str, Handler] | None, dict[str, str]]:
    """Return the functions that answer at a path, by method, and the fields that stand in the path itself."""
    if tail in ROUTES:
        return ROUTES[tail], {}
    parts = tail.split("/")
    for pattern, handlers in ROUTES.items():
        names = pattern.split("/")
        if "{" in pattern and len(names) == len(parts):
            pairs = list(zip(names, parts, strict=True))
            if all(name == part or (name[:1] == "{" and part) for name, part in pairs):
                return handlers, {name[1:-1]: unquote(part) for name, part in pairs if name[:1] == "{"}
    return None, {}
