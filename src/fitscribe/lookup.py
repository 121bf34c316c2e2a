"""Runs under MLflow's names: found, read and deleted at the endpoint that is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitscribe.client import Client

if TYPE_CHECKING:
    from fitscribe import entities

__all__ = ["delete_run", "get_metric_history", "get_parent_run", "get_run"]


def get_run(run_id: str) -> entities.Run:
    """Return a run as the endpoint has it, after all that was said has been delivered. `NotFoundError`: no such run."""
    return Client().get_run(run_id)


def get_metric_history(run_id: str, key: str) -> list[entities.Metric]:
    """Return every point of a run's metric, oldest first; none where there is no such metric."""
    return Client().get_metric_history(run_id, key)


def delete_run(run_id: str) -> None:
    """Mark a run as deleted. `NotFoundError`: no such run."""
    Client().delete_run(run_id)


def get_parent_run(run_id: str) -> entities.Run | None:
    """Return the run that a run is nested in, or None. `NotFoundError`: no run has that id."""
    return Client().get_parent_run(run_id)
