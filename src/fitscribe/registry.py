"""The registry under MLflow's names: models registered, searched, tagged and named, at the endpoint that is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fitscribe import config
from fitscribe.client import Client
from fitscribe.delivery import the_delivery
from fitscribe.entities.model_registry import ModelVersion, RegisteredModel
from fitscribe.errors import MisuseError
from fitscribe.reading.reader import every_page

__all__ = [
    "get_registry_uri",
    "register_model",
    "search_model_versions",
    "search_registered_models",
    "set_model_version_tag",
    "set_registry_uri",
]

AWAITED = 300  # seconds
MODELS_PAGE, VERSIONS_PAGE = 100, 10_000


def set_registry_uri(uri: str | Path) -> None:
    """Keep models in the registry of another endpoint than the runs; "" is that of the runs.

    `MisuseError`: a scheme that nobody knows. `NotBuiltYet`: one that this version does not have.
    """
    if str(uri):
        config.canonical_uri(uri)
    config.configure(registry_uri=str(uri) or None)


def get_registry_uri() -> str:
    """Return where models are registered now: `http(s)://...`, or `file:///...` of an embedded store."""
    found = config.settings().registry_uri
    return config.without_credentials(config.canonical_uri(found)) if found else the_delivery().uri()


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: float | None = AWAITED,
    *,
    tags: Mapping[str, Any] | None = None,
    env_pack: Any = None,
) -> ModelVersion:
    """Make the next version of `name` from the model at a URI, and return it; a new name is registered.

    `model_uri` is runs:/<run id>/<path>, models:/<name>/<version> or another form of it, models:/<model id>, a folder,
    or a URI of an object store. What is still on its way is delivered first; that, and until the version is ready, may
    take `await_registration_for` seconds. `NotFoundError`: there is no model at the URI.
    """
    if env_pack is not None:
        raise MisuseError("env_pack is Databricks' own and not known here; leave it out")
    the_delivery()  # what this process recorded is delivered first
    return Client().register_model(str(model_uri), name, await_registration_for, tags)


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """Return the registered models that fit a filter such as `name LIKE 'churn%' AND tags.team = 'a'`; all without one.

    `FilterError`: the endpoint cannot read the filter or the ordering.
    """
    client = Client()
    return every_page(
        lambda size, token: client.search_registered_models(filter_string, size, order_by, token),
        MODELS_PAGE,
        max_results,
    )


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """Return the versions that fit a filter such as `name = 'churn' AND version_number > 3`; all without one.

    `FilterError`: the endpoint cannot read the filter or the ordering.
    """
    client = Client()
    return every_page(
        lambda size, token: client.search_model_versions(filter_string, size, order_by, token),
        VERSIONS_PAGE,
        max_results,
    )


def set_model_version_tag(name: str, version: str | None = None, key: str | None = None, value: Any = None) -> None:
    """Set a tag of a version, over an older value. `NotFoundError`: there is no such version."""
    Client().set_model_version_tag(name, version, key, value)
