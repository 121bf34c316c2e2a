"""Logged models under MLflow's names: the last one, found by id, searched, made without files of a flavor, tagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fitscribe import current, modeling
from fitscribe.client import Client
from fitscribe.delivery import the_delivery
from fitscribe.errors import MisuseError, NotFoundError, ServerError
from fitscribe.reading.reader import every_page

if TYPE_CHECKING:
    from fitscribe import entities

__all__ = [
    "create_external_model",
    "delete_logged_model_tag",
    "finalize_logged_model",
    "get_logged_model",
    "initialize_logged_model",
    "last_logged_model",
    "log_model_params",
    "search_logged_models",
    "set_logged_model_tags",
]

PAGE = 50
FORMATS = ("pandas", "list")
EXTERNAL = "mlflow.model.isExternal"


def last_logged_model() -> entities.LoggedModel | None:
    """Return the model that this process logged last, by `log_model` or autologging; None if there was none.

    It is also None where the endpoint keeps models among the artifacts of runs alone.
    """
    if modeling.last is None:
        return None
    to, model_id = modeling.last
    try:
        return Client(to).get_logged_model(model_id)
    except (NotFoundError, ServerError):
        return None


def get_logged_model(model_id: str) -> entities.LoggedModel:
    """Return a logged model with its params, tags and metrics. `NotFoundError`: there is none with this id."""
    return Client().get_logged_model(model_id)


def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, str]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    output_format: str = "pandas",
) -> Any:
    """Return the logged models that fit, as a data frame with a row for each, or with `output_format="list"` as a list.

    Without `experiment_ids` those of the experiment that runs belong to now; the rest is as for `Client`.
    `FilterError`: the endpoint cannot read the filter or the ordering.
    """
    if output_format not in FORMATS:
        raise MisuseError(f"output_format={output_format!r} is none of {', '.join(FORMATS)}")
    ids, client = list(experiment_ids or _current_ids()), Client()
    found = every_page(
        lambda size, token: client.search_logged_models(ids, filter_string, datasets, size, order_by, token),
        PAGE,
        max_results,
    )
    if output_format == "list":
        return found
    import pandas

    columns = ["model_id", "name", "experiment_id", "source_run_id", "status"]
    return pandas.DataFrame([each.to_dictionary() for each in found], columns=None if found else columns)


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> entities.LoggedModel:
    """Make a logged model whose files come later, until `finalize_logged_model`; return it as the endpoint has it.

    It belongs to the current run, if there is one. `ServerError`: the endpoint has no logged models.
    """
    run = current.current()
    if source_run_id is None and run is not None:
        source_run_id = the_delivery().theirs(run)
    client = Client()
    if experiment_id is None and source_run_id is not None:
        experiment_id = client.get_run(source_run_id).info.experiment_id
    [chosen] = [experiment_id] if experiment_id else _current_ids()
    return client.create_logged_model(chosen, name, source_run_id, tags, params, model_type)


def create_external_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> entities.LoggedModel:
    """Make a logged model that has its files elsewhere, such as a service; it is READY at once."""
    labels = {**(tags or {}), EXTERNAL: "true"}
    made = initialize_logged_model(name, source_run_id, labels, params, model_type, experiment_id)
    return finalize_logged_model(made.model_id, "READY")


def finalize_logged_model(model_id: str, status: Any) -> entities.LoggedModel:
    """Say that all of a model is there ("READY"), or that it will not be ("FAILED")."""
    return Client().finalize_logged_model(model_id, status)


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Give a model params, each once: the one named, or the last one of this process."""
    found = model_id or (modeling.last[1] if modeling.last else "")
    if not found:
        raise MisuseError("log_model_params needs a model_id: this process has logged no model yet")
    Client().log_model_params(found, params)


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a model, over older values."""
    Client().set_logged_model_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Take a tag of a model away. `NotFoundError`: it has no such tag."""
    Client().delete_logged_model_tag(model_id, key)


def _current_ids() -> list[str]:
    _, name, given = the_delivery().address()
    if given or not name:
        return [given or "0"]
    found = Client().get_experiment_by_name(name)
    return [found.experiment_id if found is not None else Client().create_experiment(name)]
