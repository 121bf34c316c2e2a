"""fitscribe: one line, `fitscribe.autolog()`, and every training run in the process records itself.

What is named here is loaded when it is first used: `import fitscribe` costs next to nothing and changes nothing.
"""

from __future__ import annotations

import importlib
import importlib.machinery
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe import (
        artifacts as artifacts,
    )
    from fitscribe import (
        catboost as catboost,
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
        keras as keras,
    )
    from fitscribe import (
        keras_tuner as keras_tuner,
    )
    from fitscribe import (
        lightgbm as lightgbm,
    )
    from fitscribe import (
        lightning as lightning,
    )
    from fitscribe import (
        models as models,
    )
    from fitscribe import (
        optuna as optuna,
    )
    from fitscribe import (
        pyfunc as pyfunc,
    )
    from fitscribe import (
        pytorch as pytorch,
    )
    from fitscribe import (
        ray as ray,
    )
    from fitscribe import (
        sklearn as sklearn,
    )
    from fitscribe import (
        statsmodels as statsmodels,
    )
    from fitscribe import (
        tensorflow as tensorflow,
    )
    from fitscribe import (
        tracking as tracking,
    )
    from fitscribe import (
        transformers as transformers,
    )
    from fitscribe import (
        xgboost as xgboost,
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
    from fitscribe.modelrecords import (
        create_external_model as create_external_model,
    )
    from fitscribe.modelrecords import (
        delete_logged_model_tag as delete_logged_model_tag,
    )
    from fitscribe.modelrecords import (
        finalize_logged_model as finalize_logged_model,
    )
    from fitscribe.modelrecords import (
        get_logged_model as get_logged_model,
    )
    from fitscribe.modelrecords import (
        initialize_logged_model as initialize_logged_model,
    )
    from fitscribe.modelrecords import (
        last_logged_model as last_logged_model,
    )
    from fitscribe.modelrecords import (
        log_model_params as log_model_params,
    )
    from fitscribe.modelrecords import (
        search_logged_models as search_logged_models,
    )
    from fitscribe.modelrecords import (
        set_logged_model_tags as set_logged_model_tags,
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
    from fitscribe.registry import (
        get_registry_uri as get_registry_uri,
    )
    from fitscribe.registry import (
        register_model as register_model,
    )
    from fitscribe.registry import (
        search_model_versions as search_model_versions,
    )
    from fitscribe.registry import (
        search_registered_models as search_registered_models,
    )
    from fitscribe.registry import (
        set_model_version_tag as set_model_version_tag,
    )
    from fitscribe.registry import (
        set_registry_uri as set_registry_uri,
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
    "create_external_model": "modelrecords",
    "delete_experiment": "experiments",
    "delete_logged_model_tag": "modelrecords",
    "delete_run": "lookup",
    "delete_tag": "fluent",
    "delivery_status": "fluent",
    "download_artifacts": "artifacts",
    "end_run": "fluent",
    "finalize_logged_model": "modelrecords",
    "flush": "fluent",
    "get_artifact_uri": "artifacts",
    "get_experiment": "experiments",
    "get_experiment_by_name": "experiments",
    "get_logged_model": "modelrecords",
    "get_metric_history": "lookup",
    "get_parent_run": "lookup",
    "get_registry_uri": "registry",
    "get_run": "lookup",
    "get_tracking_uri": "fluent",
    "guarded": "guard",
    "initialize_logged_model": "modelrecords",
    "is_tracking_uri_set": "fluent",
    "last_active_run": "fluent",
    "last_logged_model": "modelrecords",
    "list_artifacts": "artifacts",
    "log_artifact": "fluent",
    "log_artifacts": "fluent",
    "log_dict": "fluent",
    "log_figure": "fluent",
    "log_image": "fluent",
    "log_input": "fluent",
    "log_metric": "fluent",
    "log_metrics": "fluent",
    "log_model_params": "modelrecords",
    "log_param": "fluent",
    "log_params": "fluent",
    "log_table": "fluent",
    "log_text": "fluent",
    "register_model": "registry",
    "search_experiments": "reading.frames",
    "search_logged_models": "modelrecords",
    "search_model_versions": "registry",
    "search_registered_models": "registry",
    "search_runs": "reading.frames",
    "set_experiment": "experiments",
    "set_experiment_tag": "experiments",
    "set_experiment_tags": "experiments",
    "set_logged_model_tags": "modelrecords",
    "set_model_version_tag": "registry",
    "set_registry_uri": "registry",
    "set_tag": "fluent",
    "set_tags": "fluent",
    "set_tracking_uri": "fluent",
    "start_run": "fluent",
    "unwatched": "observing",
}
_MODULES = [
    "artifacts",
    "catboost",
    "client",
    "data",
    "entities",
    "exceptions",
    "keras",
    "keras_tuner",
    "lightgbm",
    "lightning",
    "models",
    "optuna",
    "pyfunc",
    "pytorch",
    "ray",
    "sklearn",
    "statsmodels",
    "tensorflow",
    "tracking",
    "transformers",
    "xgboost",
]

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
    "catboost",
    "client",
    "create_experiment",
    "create_external_model",
    "data",
    "delete_experiment",
    "delete_logged_model_tag",
    "delete_run",
    "delete_tag",
    "delivery_status",
    "download_artifacts",
    "end_run",
    "entities",
    "exceptions",
    "finalize_logged_model",
    "flush",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_logged_model",
    "get_metric_history",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "guarded",
    "initialize_logged_model",
    "is_tracking_uri_set",
    "keras",
    "keras_tuner",
    "last_active_run",
    "last_logged_model",
    "lightgbm",
    "lightning",
    "list_artifacts",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_model_params",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "models",
    "optuna",
    "pyfunc",
    "pytorch",
    "ray",
    "register_model",
    "search_experiments",
    "search_logged_models",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_logged_model_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "sklearn",
    "start_run",
    "statsmodels",
    "tensorflow",
    "tracking",
    "transformers",
    "unwatched",
    "xgboost",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"fitscribe.{_WHERE[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fitscribe.{name}")
    else:
        value = _integration(name)
    globals()[name] = value
    return value


def _integration(name: str) -> Any:
    """Return what stands for an installed integration; a private name, and a module of our own, is none."""
    if name.startswith("_") or importlib.machinery.PathFinder.find_spec(f"fitscribe.{name}", __path__):
        raise AttributeError(f"module 'fitscribe' has no attribute {name!r}")
    from fitscribe import discovery, faces

    found = faces.face(name)
    if found is None:
        there = ", ".join(discovery.names())
        raise AttributeError(f"module 'fitscribe' has no attribute {name!r}; integrations installed here: {there}")
    return found


def __dir__() -> list[str]:
    from fitscribe import discovery

    return sorted({*globals(), *__all__, *discovery.names()})
