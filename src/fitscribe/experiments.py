"""Experiments under MLflow's names: chosen without a question to the endpoint, read and managed through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fitscribe import ranks
from fitscribe.client import Client
from fitscribe.delivery import the_delivery
from fitscribe.errors import MisuseError, NotFoundError, TransportError
from fitscribe.guard import warn_once
from fitscribe.records import ExperimentNamed, now

if TYPE_CHECKING:
    from fitscribe import entities

__all__ = [
    "create_experiment",
    "delete_experiment",
    "get_experiment",
    "get_experiment_by_name",
    "known",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
]

NAME_LIMIT = 500  # characters; measured on MLflow 3.18


class ChosenExperiment:
    """An experiment as `set_experiment` returns it: its name at once, the rest as the endpoint has it when asked."""

    def __init__(self, name: str) -> None:
        """Ask nothing yet."""
        self.name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        found = get_experiment_by_name(self.name)
        if found is None:
            raise NotFoundError(f"there is no experiment {self.name!r} at {the_delivery().uri()}")
        return getattr(found, attribute)

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r}>"


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None
) -> entities.Experiment | ChosenExperiment:
    """Let the runs that start from now on belong to an experiment; one of a new name is made in the background.

    `NotFoundError`: the endpoint has no experiment of that id. `MisuseError`: not exactly one of name and id.
    """
    if (experiment_name is None) == (experiment_id is None):
        raise MisuseError("set_experiment takes either a name or an experiment_id")
    delivery = the_delivery()
    aside = ranks.aside()
    if experiment_id is not None:
        found = None if aside else known(str(experiment_id))
        delivery.experiment = ("", str(experiment_id))
        return found if found is not None else ChosenExperiment("")
    name = _named(experiment_name)
    delivery.experiment = (name, "")
    if not aside:
        delivery.emit(ExperimentNamed(now(), delivery.uri(), name))
    return ChosenExperiment(name)


def _named(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise MisuseError(f"an experiment's name is a text with at least one letter, not {name!r}")
    if len(name) > NAME_LIMIT:
        raise MisuseError(f"the experiment name {name[:40]!r}... has {len(name)} characters; at most {NAME_LIMIT} do")
    return name


_known: dict[tuple[str, str], entities.Experiment] = {}


def known(experiment_id: str) -> entities.Experiment | None:
    """Return the experiment of that id; None when the endpoint does not answer, which is no reason to stop.

    `NotFoundError`: the endpoint says there is none.
    """
    uri = the_delivery().uri()
    if (uri, experiment_id) not in _known:
        try:
            _known[uri, experiment_id] = Client().get_experiment(experiment_id)
        except TransportError as error:
            warn_once("could not look at experiment %s (%s); runs are kept and sent later", experiment_id, error)
            return None
    return _known[uri, experiment_id]


def create_experiment(name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None) -> str:
    """Make an experiment and return its id. `ServerError`: the name is taken."""
    return Client().create_experiment(_named(name), artifact_location, tags)


def get_experiment(experiment_id: str) -> entities.Experiment:
    """Return an experiment. `NotFoundError`: no experiment has that id."""
    return Client().get_experiment(str(experiment_id))


def get_experiment_by_name(name: str) -> entities.Experiment | None:
    """Return an experiment, or None where no experiment has that name."""
    return Client().get_experiment_by_name(name)


def delete_experiment(experiment_id: str) -> None:
    """Mark an experiment and its runs as deleted. `NotFoundError`: no experiment has that id."""
    Client().delete_experiment(str(experiment_id))


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the experiment that runs belong to now."""
    set_experiment_tags({key: value})


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the experiment that runs belong to now."""
    name, experiment_id = the_delivery().address()[1:]
    if name:
        found = get_experiment_by_name(name)
        experiment_id = found.experiment_id if found is not None else create_experiment(name)
    for key, value in tags.items():
        Client().set_experiment_tag(experiment_id or "0", key, value)
