"""Registered models: made, found, renamed, described, tagged, and given aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fitscribe.administration import Administration
from fitscribe.entities import PagedList
from fitscribe.entities.model_registry import ModelVersion, RegisteredModel
from fitscribe.errors import MisuseError, NotFoundError, ServerError
from fitscribe.reading import answers
from fitscribe.reading.endpoint import Endpoint
from fitscribe.reading.registryanswers import model_version, registered_model

__all__ = ["ABSENT", "RegisteredModels", "Registry", "model_name", "orders", "pairs"]

EXISTS, ABSENT = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"), "RESOURCE_DOES_NOT_EXIST"
PAGE = 100


class Registry(Endpoint):
    """An endpoint as far as it keeps a registry, which not every tracking server does."""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """Send a request; see `Endpoint.ask`. `ServerError` also where there is no registry, in plain words."""
        try:
            return super().ask(method, path, body, **how)
        except ServerError as error:
            if error.status not in (404, 405, 501) or error.code not in ("", "ENDPOINT_NOT_FOUND"):
                raise
            words = (
                f"{self.clean_uri} does not serve {path}: it has no model registry, or an older one, or is no tracking "
                "server. MLFLOW_REGISTRY_URI or set_registry_uri names another endpoint for models"
            )
            raise ServerError(error.status, "ENDPOINT_NOT_FOUND", words) from None


class RegisteredModels(Administration):
    """An endpoint's registered models."""

    @cached_property
    def registry(self) -> Registry:
        """The endpoint that keeps the registry: that of the runs, unless another was named."""
        same = self.registry_uri == self.tracking_uri
        return Registry(self.registry_uri, self.endpoint.given if same else None)

    def create_registered_model(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Make a registered model. `ServerError`: the name is taken."""
        sent = pairs(tags)
        body = {"name": model_name(name), "tags": sent or None, "description": description}
        made: list[RegisteredModel] = []

        def look() -> dict[str, Any] | None:
            """Find what a lost answer may have told of."""
            found = self._registered(name)
            ours = found is not None and found.description == (description or "")
            if found is None or not ours or found.tags != {each["key"]: each["value"] for each in sent}:
                return None
            made.append(found)
            return {}

        answer = self.registry.ask("POST", "registered-models/create", body, again=look)
        return made[0] if made else registered_model(answer.get("registered_model"))

    def _registered(self, name: str) -> RegisteredModel | None:
        try:
            return self.get_registered_model(name)
        except NotFoundError:
            return None

    def ensure_registered_model(self, name: str) -> RegisteredModel | None:
        """Make a registered model unless there is one of that name; return it if it was made."""
        try:
            return self.create_registered_model(name)
        except ServerError as error:
            if error.code not in EXISTS:
                raise
            return None

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model with the latest version of each stage. `NotFoundError`: there is none."""
        self._settled()
        answer = self.registry.ask("GET", "registered-models/get", {"name": name}, what=f"registered model {name}")
        return registered_model(answer.get("registered_model"))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return one page of the registered models that fit, by name unless `order_by` says otherwise.

        `FilterError`: the endpoint cannot read the filter or the ordering.
        """
        self._settled()
        body = {
            "filter": filter_string or None,
            "max_results": _size(max_results),
            "order_by": orders(order_by),
            "page_token": page_token or None,
        }
        answer = self.registry.ask("GET", "registered-models/search", body)
        return answers.page(answer, "registered_models", registered_model)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a registered model another name. `ServerError`: the name is taken."""

        def look() -> dict[str, Any] | None:
            moved = self._registered(new_name) if self._registered(name) is None else None
            return None if moved is None else {"registered_model": {"name": new_name}}

        body = {"name": name, "new_name": model_name(new_name)}
        self.registry.ask("POST", "registered-models/rename", body, what=f"registered model {name}", again=look)
        return self.get_registered_model(new_name)

    def update_registered_model(self, name: str, description: str | None = None) -> RegisteredModel:
        """Describe a registered model; without a description it is taken away."""
        body = {"name": name, "description": description or ""}
        answer = self.registry.ask("PATCH", "registered-models/update", body, what=f"registered model {name}")
        return registered_model(answer.get("registered_model"))

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model and its versions, for good; their files stay."""
        what = f"registered model {name}"
        self.registry.ask("DELETE", "registered-models/delete", {"name": name}, what=what, done=ABSENT)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model, over an older value."""
        body = {"name": name, "key": key, "value": str(value)}
        self.registry.ask("POST", "registered-models/set-tag", body, what=f"registered model {name}")

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Take a tag of a registered model away, if it is there."""
        body = {"name": name, "key": key}
        self.registry.ask("DELETE", "registered-models/delete-tag", body, what=f"registered model {name}")

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Let an alias point at a version; one that is set already moves."""
        body = {"name": name, "alias": alias, "version": str(version)}
        self.registry.ask("POST", "registered-models/alias", body, what=f"version {version} of model {name}")

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away, if it is there."""
        body = {"name": name, "alias": alias}
        self.registry.ask("DELETE", "registered-models/alias", body, what=f"registered model {name}")

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at. `NotFoundError`: no such model or alias."""
        self._settled()
        body = {"name": name, "alias": alias}
        try:
            answer = self.registry.ask("GET", "registered-models/alias", body, what=f"registered model {name}")
        except ServerError as error:
            if error.status == 400 and "not found" in error.message:  # servers answer so, as to a wrong request
                raise NotFoundError(f"the registered model {name!r} has no alias {alias!r}") from None
            raise
        return model_version(answer.get("model_version"))

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Return the newest version of each stage, or of those asked for. `NotFoundError`: no such model."""
        self._settled()
        body = {"name": name, "stages": [stages] if isinstance(stages, str) else list(stages or ()) or None}
        path, what = "registered-models/get-latest-versions", f"registered model {name}"
        answer = self.registry.ask("POST", path, body, what=what)
        return [model_version(one) for one in answers.items(answer, "model_versions")]


def model_name(name: object) -> str:
    """Return a registered model's name. `MisuseError`: it cannot be one."""
    if not isinstance(name, str) or not name.strip() or "/" in name or ":" in name:
        raise MisuseError(f"a registered model needs a name of text without / and :, not {name!r}")
    return name


def pairs(tags: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Return tags as the protocol has them. `MisuseError`: they are no dict."""
    if tags is not None and not isinstance(tags, Mapping):
        raise MisuseError(f"tags is a dict of keys and values, not {tags!r}")
    return [{"key": str(key), "value": str(value)} for key, value in (tags or {}).items()]


def orders(order_by: Sequence[str] | None) -> list[str] | None:
    """Return what to sort by; one text is a list of one."""
    return [order_by] if isinstance(order_by, str) else list(order_by or ()) or None


def _size(max_results: int) -> int:
    if not 1 <= max_results <= 1000:  # servers answer 0 with an empty page and a token, for ever
        raise MisuseError(f"max_results is from 1 to 1000, not {max_results}; page_token asks for the next page")
    return max_results
