"""fitscribe: one line, `fitscribe.autolog()`, and every training run in the process records itself.

What is named here is loaded when it is first used: `import fitscribe` costs next to nothing and changes nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe import (
        artifacts as artifacts,
    )
    from fitscribe import (
        client as client,
    )
    from fitscribe import (
        data as data,
    )
    from fitscribe import (
        entities as entities,
    )
    from fitscribe import (
        exceptions as exceptions,
    )
    from fitscribe import (
        models as models,
    )
    from fitscribe import (
        sklearn as sklearn,
    )
    from fitscribe import (
        tracking as tracking,
    )
    from fitscribe.active import ActiveRun as ActiveRun
    from fitscribe.artifacts import (
        download_artifacts as download_artifacts,
    )
    from fitscribe.artifacts import (
        get_artifact_uri as get_artifact_uri,
    )
    from fitscribe.artifacts import (
        list_artifacts as list_artifacts,
    )
    from fitscribe.autologging import autolog as autolog
    from fitscribe.client import (
        Client as Client,
    )
    from fitscribe.client import (
        MlflowClient as MlflowClient,
    )
    from fitscribe.errors import (
        FitscribeError as FitscribeError,
    )
    from fitscribe.errors import (
        MisuseError as MisuseError,
    )
    from fitscribe.errors import (
        NotFoundError as NotFoundError,
    )
    from fitscribe.errors import (
        ParamConflict as ParamConflict,
    )
    from fitscribe.exceptions import MlflowException as MlflowException
    from fitscribe.experiments import (
        create_experiment as create_experiment,
    )
    from fitscribe.experiments import (
        delete_experiment as delete_experiment,
    )
    from fitscribe.experiments import (
        get_experiment as get_experiment,
    )
    from fitscribe.experiments import (
        get_experiment_by_name as get_experiment_by_name,
    )
    from fitscribe.experiments import (
        set_experiment as set_experiment,
    )
    from fitscribe.experiments import (
        set_experiment_tag as set_experiment_tag,
    )
    from fitscribe.experiments import (
        set_experiment_tags as set_experiment_tags,
    )
    from fitscribe.fluent import (
        active_run as active_run,
    )
    from fitscribe.fluent import (
        delete_tag as delete_tag,
    )
    from fitscribe.fluent import (
        delivery_status as delivery_status,
    )
    from fitscribe.fluent import (
        end_run as end_run,
    )
    from fitscribe.fluent import (
        flush as flush,
    )
    from fitscribe.fluent import (
        get_tracking_uri as get_tracking_uri,
    )
    from fitscribe.fluent import (
        is_tracking_uri_set as is_tracking_uri_set,
    )
    from fitscribe.fluent import (
        last_active_run as last_active_run,
    )
    from fitscribe.fluent import (
        log_artifact as log_artifact,
    )
    from fitscribe.fluent import (
        log_artifacts as log_artifacts,
    )
    from fitscribe.fluent import (
        log_dict as log_dict,
    )
    from fitscribe.fluent import (
        log_figure as log_figure,
    )
    from fitscribe.fluent import (
        log_image as log_image,
    )
    from fitscribe.fluent import (
        log_input as log_input,
    )
    from fitscribe.fluent import (
        log_metric as log_metric,
    )
    from fitscribe.fluent import (
        log_metrics as log_metrics,
    )
    from fitscribe.fluent import (
        log_param as log_param,
    )
    from fitscribe.fluent import (
        log_params as log_params,
    )
    from fitscribe.fluent import (
        log_table as log_table,
    )
    from fitscribe.fluent import (
        log_text as log_text,
    )
    from fitscribe.fluent import (
        set_tag as set_tag,
    )
    from fitscribe.fluent import (
        set_tags as set_tags,
    )
    from fitscribe.fluent import (
        set_tracking_uri as set_tracking_uri,
    )
    from fitscribe.fluent import (
        start_run as start_run,
    )
    from fitscribe.guard import guarded as guarded
    from fitscribe.integration import Integration as Integration
    from fitscribe.lookup import (
        delete_run as delete_run,
    )
    from fitscribe.lookup import (
        get_metric_history as get_metric_history,
    )
    from fitscribe.lookup import (
        get_parent_run as get_parent_run,
    )
    from fitscribe.lookup import (
        get_run as get_run,
    )
    from fitscribe.observing import unwatched as unwatched
    from fitscribe.reading.frames import search_experiments as search_experiments
    from fitscribe.reading.frames import search_runs as search_runs
    from fitscribe.records import (
        Bars as Bars,
    )
    from fitscribe.records import (
        Heatmap as Heatmap,
    )
    from fitscribe.records import (
        Lines as Lines,
    )

_WHERE = {
    "ActiveRun": "active",
    "Bars": "records",
    "Client": "client",
    "FitscribeError": "errors",
    "Heatmap": "records",
    "Integration": "integration",
    "Lines": "records",
    "MisuseError": "errors",
    "MlflowClient": "client",
    "MlflowException": "exceptions",
    "NotFoundError": "errors",
    "ParamConflict": "errors",
    "active_run": "fluent",
    "autolog": "autologging",
    "create_experiment": "experiments",
    "delete_experiment": "experiments",
    "delete_run": "lookup",
    "delete_tag": "fluent",
    "delivery_status": "fluent",
    "download_artifacts": "artifacts",
    "end_run": "fluent",
    "flush": "fluent",
    "get_artifact_uri": "artifacts",
    "get_experiment": "experiments",
    "get_experiment_by_name": "experiments",
    "get_metric_history": "lookup",
    "get_parent_run": "lookup",
    "get_run": "lookup",
    "get_tracking_uri": "fluent",
    "guarded": "guard",
    "is_tracking_uri_set": "fluent",
    "last_active_run": "fluent",
    "list_artifacts": "artifacts",
    "log_artifact": "fluent",
    "log_artifacts": "fluent",
    "log_dict": "fluent",
    "log_figure": "fluent",
    "log_image": "fluent",
    "log_input": "fluent",
    "log_metric": "fluent",
    "log_metrics": "fluent",
    "log_param": "fluent",
    "log_params": "fluent",
    "log_table": "fluent",
    "log_text": "fluent",
    "search_experiments": "reading.frames",
    "search_runs": "reading.frames",
    "set_experiment": "experiments",
    "set_experiment_tag": "experiments",
    "set_experiment_tags": "experiments",
    "set_tag": "fluent",
    "set_tags": "fluent",
    "set_tracking_uri": "fluent",
    "start_run": "fluent",
    "unwatched": "observing",
}
_MODULES = ["artifacts", "client", "data", "entities", "exceptions", "models", "sklearn", "tracking"]

__version__ = "0.1.0"
__all__ = [
    "ActiveRun",
    "Bars",
    "Client",
    "FitscribeError",
    "Heatmap",
    "Integration",
    "Lines",
    "MisuseError",
    "MlflowClient",
    "MlflowException",
    "NotFoundError",
    "ParamConflict",
    "__version__",
    "active_run",
    "artifacts",
    "autolog",
    "client",
    "create_experiment",
    "data",
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "delivery_status",
    "download_artifacts",
    "end_run",
    "entities",
    "exceptions",
    "flush",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_metric_history",
    "get_parent_run",
    "get_run",
    "get_tracking_uri",
    "guarded",
    "is_tracking_uri_set",
    "last_active_run",
    "list_artifacts",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "models",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "sklearn",
    "start_run",
    "tracking",
    "unwatched",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"fitscribe.{_WHERE[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fitscribe.{name}")
    else:
        raise AttributeError(f"module 'fitscribe' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
