"""Versions of registered models: made exactly once, found, moved from stage to stage, tagged, copied."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fitscribe.entities import PagedList
from fitscribe.entities.model_registry import ModelVersion
from fitscribe.errors import FilterError, MisuseError, NotFoundError, ServerError, TransportError
from fitscribe.reading import answers
from fitscribe.reading.registryanswers import model_version
from fitscribe.registering.addresses import Address, address
from fitscribe.registering.models import ABSENT, RegisteredModels, orders, pairs

__all__ = ["AWAITED", "KEY", "STAGES", "ModelVersions"]

KEY = "fitscribe.registration_key"
"""The tag by which a version is found whose answer was lost: creating it again would make another."""

STAGES = ("None", "Staging", "Production", "Archived")
ACTIVE = STAGES[1:3]
PAGE, MOST = 10_000, 200_000
AWAITED = 300  # seconds
POLL = (0.2, 3.0)  # seconds between looks at a version that is not ready: at first, at most


class ModelVersions(RegisteredModels):
    """An endpoint's versions."""

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: float | None = AWAITED,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Make the next version of a registered model from files at `source`; its run is `run_id`.

        Waits until it is ready, `await_creation_for` seconds at most. `NotFoundError`: no such registered model.
        `ServerError`: no version can come from this source. `TransportError`: no answer in time; it may have been made.
        """
        theirs = self._settled(run_id)[0] if run_id else None
        key = uuid.uuid4().hex
        labels = [each for each in pairs(tags) if each["key"] != KEY]  # that of a version whose tags were copied
        body = {
            "name": name,
            "source": str(source),
            "run_id": theirs,
            "tags": [*labels, {"key": KEY, "value": key}],
            "run_link": run_link,
            "description": description,
            "model_id": model_id,
        }
        made = self._made(name, key, body)
        return self._ready(made, await_creation_for or 0)

    def _made(self, name: str, key: str, body: dict[str, Any]) -> ModelVersion:
        found: list[ModelVersion] = []
        unclear = False

        def look() -> dict[str, Any] | None:
            """Find what a lost answer may have told of."""
            nonlocal unclear
            unclear = True
            found.extend(self._with_key(name, key))
            return {} if found else None

        what = f"registered model {name}"
        try:
            answer = self.registry.ask("POST", "model-versions/create", body, what=what, again=look)
        except TransportError as error:
            raise TransportError(
                f"{error} The version may have been made all the same: "
                f"Client().search_model_versions(\"tags.`{KEY}` = '{key}'\") tells.",
                wait=error.wait,
            ) from None
        made = found[0] if found else model_version(answer.get("model_version"))
        return self._single(made, key) if unclear else made

    def _single(self, made: ModelVersion, key: str) -> ModelVersion:
        """Return the version of a registration; one that came late, of a request given up, is deleted again."""
        first, *more = sorted([*self._with_key(made.name, key)] or [made], key=lambda each: int(each.version))
        for each in more:
            self.delete_model_version(each.name, each.version)
        return first

    def _with_key(self, name: str, key: str) -> list[ModelVersion]:
        """Return the version that a registration made, if it did; some servers cannot search by tag."""
        try:
            found = self.search_model_versions(f"tags.`{KEY}` = '{key}'", max_results=10)
        except (FilterError, ServerError):
            found = self.search_model_versions(named(name), max_results=100, order_by=["creation_timestamp DESC"])
        return [each for each in found if (each.name, each.tags.get(KEY)) == (name, key)]

    def _ready(self, made: ModelVersion, seconds: float) -> ModelVersion:
        end, pause = time.monotonic() + seconds, POLL[0]
        while made.status == "PENDING_REGISTRATION" and time.monotonic() + pause < end:
            time.sleep(pause)
            pause = min(2 * pause, POLL[1])
            made = self.get_model_version(made.name, made.version)
        if made.status == "FAILED_REGISTRATION":
            words = (
                f"version {made.version} of {made.name} could not be made: {made.status_message or 'no reason given'}"
            )
            raise ServerError(200, "FAILED_REGISTRATION", words)
        return made

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Make a version of `dst_name` from that at models:/name/version, models:/name@alias, …; its files stay."""
        found = self.model_version_at(src_model_uri)
        self.ensure_registered_model(dst_name)
        source, run_id = f"models:/{found.name}/{found.version}", found.run_id or None
        return self.create_model_version(
            dst_name, source, run_id, found.tags, found.run_link, found.description, model_id=found.model_id
        )

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Return a version. `NotFoundError`: there is none."""
        self._settled()
        answer = self._of_version("GET", "get", name, version)
        return model_version(answer.get("model_version"))

    def model_version_at(self, model_uri: str) -> ModelVersion:
        """Return the version at models:/name/version, /stage or /latest, or models:/name@alias.

        `NotFoundError`: there is none. `MisuseError`: it is no such URI.
        """
        return self._at(address(model_uri))

    def _at(self, where: Address) -> ModelVersion:
        if where.alias:
            return self.get_model_version_by_alias(where.name, where.alias)
        if where.version:
            return self.get_model_version(where.name, where.version)
        found = self.get_latest_versions(where.name, [where.stage] if where.stage else None)
        if not found:
            words = f"in stage {where.stage}" if where.stage else "at all"
            raise NotFoundError(f"the registered model {where.name!r} has no version {words}")
        return max(found, key=lambda each: int(each.version))

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Return the URI of a version's files."""
        self._settled()
        return answers.text(self._of_version("GET", "get-download-uri", name, version), "artifact_uri")

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return one page of the versions that fit, what was changed last first unless `order_by` says otherwise.

        `FilterError`: the endpoint cannot read the filter or the ordering.
        """
        if not 1 <= max_results <= MOST:
            raise MisuseError(f"max_results is from 1 to {MOST}, not {max_results}")
        self._settled()
        body = {
            "filter": filter_string or None,
            "max_results": max_results,
            "order_by": orders(order_by),
            "page_token": page_token or None,
        }
        answer = self.registry.ask("GET", "model-versions/search", body)
        return answers.page(answer, "model_versions", model_version)

    def update_model_version(self, name: str, version: str | int, description: str | None = None) -> ModelVersion:
        """Describe a version; without a description it is taken away."""
        answer = self._of_version("PATCH", "update", name, version, description=description or "")
        return model_version(answer.get("model_version"))

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version to "None", "Staging", "Production" or "Archived", in any mixture of capitals.

        With `archive_existing_versions` those in Staging or Production make room. `MisuseError`: no such stage.
        """
        wanted = next((each for each in STAGES if each.lower() == str(stage).lower()), "")
        if not wanted:
            raise MisuseError(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")
        if archive_existing_versions and wanted not in ACTIVE:  # servers answer this as if they had broken down
            raise MisuseError(f"archive_existing_versions goes with {' and '.join(ACTIVE)}, not with {wanted}")
        flags: dict[str, Any] = {"stage": wanted, "archive_existing_versions": archive_existing_versions}
        answer = self._of_version("POST", "transition-stage", name, version, **flags)
        return model_version(answer.get("model_version"))

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """Return the stages that there are."""
        return list(STAGES)

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Delete a version and its aliases, for good; its number is not given again, its files stay."""
        self._of_version("DELETE", "delete", name, version, done=ABSENT)

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version, or of the latest in a stage, over an older value."""
        number = self._number(name, version, stage)
        self._of_version("POST", "set-tag", name, number, key=key, value=str(value))

    def delete_model_version_tag(
        self, name: str, version: str | int | None = None, key: str | None = None, stage: str | None = None
    ) -> None:
        """Take a tag of a version away, or of the latest in a stage, if it is there."""
        self._of_version("DELETE", "delete-tag", name, self._number(name, version, stage), key=key)

    def _number(self, name: str, version: str | int | None, stage: str | None) -> str:
        if (version is None) == (stage is None):
            raise MisuseError(f"name a version or a stage; got version={version!r}, stage={stage!r}")
        return str(version) if version is not None else self._at(Address(name, stage=str(stage))).version

    def _of_version(
        self, method: str, path: str, name: str, version: str | int, *, done: str = "", **fields: Any
    ) -> dict[str, Any]:
        body = {"name": name, "version": str(version), **fields}
        return self.registry.ask(
            method, f"model-versions/{path}", body, what=f"version {version} of model {name}", done=done
        )


def named(name: str) -> str:
    """Return the filter for a registered model's name."""
    quote = '"' if "'" in name else "'"
    return f"name = {quote}{name}{quote}"
