"""Searches as tables: `search_runs` gives a pandas frame with MLflow's columns, or a list of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from fitscribe.config import settings
from fitscribe.entities import Experiment, Run
from fitscribe.entities.enumerations import ViewType
from fitscribe.errors import MisuseError
from fitscribe.guard import warn_once
from fitscribe.reading.backlog import backlog
from fitscribe.reading.reader import EXPERIMENTS_PAGE, Reader, every_page

if TYPE_CHECKING:
    import pandas

__all__ = ["active_experiment_ids", "frame_of", "search_experiments", "search_runs"]

RUNS_PAGE = 10_000
MOST_ROWS = 100_000
INFO = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
TIMES = ("start_time", "end_time")


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    output_format: Literal["pandas"] = ...,
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    *,
    client: Reader | None = ...,
) -> pandas.DataFrame: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    client: Reader | None = ...,
) -> list[Run]: ...


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = MOST_ROWS,
    order_by: Sequence[str] | None = None,
    output_format: Literal["pandas", "list"] = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    *,
    client: Reader | None = None,
) -> pandas.DataFrame | list[Run]:
    """Return the runs that fit as a pandas frame, one row a run, or as a list with `output_format="list"`.

    Searches the active experiment unless ids, names or `search_all_experiments` say otherwise. The columns are
    run_id, experiment_id, status, artifact_uri, start_time, end_time (UTC), then metrics.*, params.* and tags.*;
    a run that lacks a metric has NaN there, one that lacks a param or tag has None. `FilterError`: the endpoint cannot
    read the filter or ordering. `MisuseError`: both ids and names, another output format, or pandas is missing.
    """
    _check(output_format, experiment_ids, experiment_names)
    reader = client or Reader()
    if not experiment_ids and not experiment_names:
        ids = _all_ids(reader) if search_all_experiments else active_experiment_ids(reader)
    else:
        ids = _ids_of(reader, experiment_names) if experiment_names else _listed(experiment_ids)
    found = (
        every_page(
            lambda size, token: reader.search_runs(ids, filter_string, run_view_type, size, order_by, token),
            RUNS_PAGE,
            max_results,
        )
        if ids
        else []
    )
    return found if output_format == "list" else frame_of(found)


def search_experiments(
    view_type: int | str = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
    *,
    client: Reader | None = None,
) -> list[Experiment]:
    """Return the experiments that fit a filter such as `name LIKE 'cnn%' AND tags.team = 'a'`; all without one.

    `FilterError`: the endpoint cannot read the filter or ordering.
    """
    reader = client or Reader()
    return every_page(
        lambda size, token: reader.search_experiments(view_type, size, filter_string, order_by, token),
        EXPERIMENTS_PAGE,
        max_results,
    )


def active_experiment_ids(reader: Reader) -> list[str]:
    """Return the id of the experiment that a run would go to now; none when it does not exist yet."""
    behind = backlog()
    name, experiment_id = behind.address()[1:] if behind else (settings().experiment_name, settings().experiment_id)
    if not name:
        return [experiment_id or "0"]
    found = reader.get_experiment_by_name(name)
    return [found.experiment_id] if found else []


def frame_of(runs: Iterable[Run]) -> pandas.DataFrame:
    """Return runs as a frame, in MLflow's columns. `MisuseError`: pandas is missing."""
    module, rows = _pandas(), list(runs)
    columns: dict[str, Any] = {name: [getattr(run.info, name) for run in rows] for name in INFO}
    for name in TIMES:
        columns[name] = [_moment(module, time) for time in columns[name]]
    columns |= _columns("metrics.", rows, lambda run: run.data.metrics, math.nan)
    columns |= _columns("params.", rows, lambda run: run.data.params, None)
    columns |= _columns("tags.", rows, lambda run: run.data.tags, None)
    return module.DataFrame(columns)


def _moment(module: Any, milliseconds: int | None) -> Any:
    """Return what MLflow's `to_datetime(time, unit="ms", utc=True)` gives, sixty times as fast."""
    if milliseconds is None:
        return module.to_datetime(None)  # NaT or None, as this pandas has it
    return module.Timestamp(milliseconds, unit="ms", tz="UTC")


def _columns(prefix: str, runs: list[Run], part: Callable[[Run], dict[str, Any]], missing: Any) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for run in runs for key in part(run))  # in the order they first come up
    parts = [part(run) for run in runs]
    return {prefix + key: [values.get(key, missing) for values in parts] for key in keys}


def _check(output_format: str, ids: Sequence[str] | None, names: Sequence[str] | None) -> None:
    if output_format not in ("pandas", "list"):
        raise MisuseError(f"output_format is 'pandas' or 'list', not {output_format!r}")
    if ids and names:
        raise MisuseError(f"give experiment_ids or experiment_names, not both; got {ids!r} and {names!r}")
    if output_format == "pandas":
        _pandas()  # before anything is searched


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise MisuseError(
            'a table of runs needs pandas: pip install pandas, or search_runs(..., output_format="list")'
        ) from None
    return pandas


def _listed(ids: Sequence[str] | None) -> list[str]:
    return [ids] if isinstance(ids, (str, int)) else [str(one) for one in ids or ()]


def _ids_of(reader: Reader, names: Sequence[str]) -> list[str]:
    found = {name: reader.get_experiment_by_name(name) for name in ([names] if isinstance(names, str) else names)}
    for name, experiment in found.items():
        if experiment is None:
            warn_once("there is no experiment %r; its runs are not searched", name)
    return [experiment.experiment_id for experiment in found.values() if experiment]


def _all_ids(reader: Reader) -> list[str]:
    return [experiment.experiment_id for experiment in search_experiments(client=reader)]
