"""Registration: a model of a run, a logged model, a version or a folder becomes the next version of a name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from fitscribe import checks
from fitscribe.entities import Run
from fitscribe.entities.model_registry import CHILD, PARENT, Lineage, ModelVersion
from fitscribe.errors import MisuseError, NotFoundError, ServerError
from fitscribe.guard import inform
from fitscribe.reading import answers
from fitscribe.reading.backlog import backlog
from fitscribe.registering.addresses import logged_model_of
from fitscribe.registering.models import pairs
from fitscribe.registering.versions import AWAITED, ModelVersions

__all__ = ["Registration"]

RUNS = re.compile(r"runs:/+(?P<run>[^/]+)/(?P<path>.+)")
PARENT_TAG, BEST_TAG = "mlflow.parentRunId", "fitscribe.best"
DEEPEST = 20  # runs within one another


class Origin(NamedTuple):
    """Where a version is to come from, in the protocol's words."""

    source: str
    run_id: str | None = None
    model_id: str | None = None


class Registration(ModelVersions):
    """Registers models by any URI, and tells where a version comes from."""

    def register_model(
        self,
        model_uri: str,
        name: str,
        await_registration_for: float | None = AWAITED,
        tags: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Make the next version of `name` from the model at a URI; a new name is registered.

        `model_uri` is runs:/<run id>/<path>, models:/<name>/<version> or another form of it, models:/<model id>, a
        folder, or a URI of an object store. What is still on its way is delivered first; that, and until the version is
        ready, may take `await_registration_for` seconds. `NotFoundError`: there is no model at the URI.
        """
        checks.model_name(name)
        seconds = await_registration_for or 0
        if (behind := backlog()) is not None and seconds:
            behind.flush(seconds)
        pairs(tags)  # refused before a name is taken
        origin = self._origin(str(model_uri))
        labels = {**self._lineage_tags(origin.run_id), **(tags or {})}
        self.ensure_registered_model(name)
        made = self.create_model_version(
            name, origin.source, origin.run_id, labels, await_creation_for=seconds, model_id=origin.model_id
        )
        inform("registered %s as version %s of %s", model_uri, made.version, made.name)
        return made

    def _origin(self, uri: str) -> Origin:
        if found := RUNS.fullmatch(uri):
            return self._of_run(found["run"], unquote(found["path"]).strip("/"))
        if uri.startswith("runs:"):
            raise MisuseError(f"{uri!r} names no model; write runs:/<run id>/<path of the model>")
        if model_id := logged_model_of(uri):
            return self._of_logged(model_id, self._source_run(model_id))
        if uri.startswith("models:"):
            version = self.model_version_at(uri)
            return Origin(f"models:/{version.name}/{version.version}", version.run_id or None, version.model_id)
        return Origin(self._folder(uri))

    def _folder(self, uri: str) -> str:
        """Return a folder of this machine as a URI, and any other URI as it is."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri):
            return uri
        folder = Path(uri).expanduser().absolute()
        if not (folder / "MLmodel").is_file():
            raise NotFoundError(f"{uri!r} is no model: there is no file MLmodel in {folder}")
        if self.registry.directory is None:
            raise MisuseError(
                f"{self.registry.clean_uri} does not see the folder {uri!r} of this machine; log the model to a run, "
                "and register runs:/<run id>/<path>"
            )
        return folder.as_uri()

    def _of_run(self, run_id: str, path: str) -> Origin:
        """Return the folder of a run's artifacts, or the logged model that goes by that name in the run."""
        run = self.get_run(run_id)
        # first, for to a listing the files of such a model lie in the run
        for output in sorted(run.outputs.model_outputs, key=lambda each: each.step, reverse=True):
            if self._logged(output.model_id).get("name") == path:
                return self._of_logged(output.model_id, run.info.run_id)
        files = [info.path.rpartition("/")[2] for info in self.list_artifacts(run.info.run_id, path)]
        if "MLmodel" in files:
            root = run.info.artifact_uri.rstrip("/")
            return Origin(f"{root}/{quote(path) if root.startswith('file:') else path}", run.info.run_id)
        raise NotFoundError(
            f"run {run_id} has no model at {path!r}: there is no {path}/MLmodel among its artifacts, and no logged "
            "model of that name. If it was logged in another process, it may still be on its way: fitscribe sync"
        )

    def _of_logged(self, model_id: str, run_id: str | None) -> Origin:
        """Return a logged model by its id, or to another registry, which does not know it, by its folder."""
        if self.registry_uri == self.tracking_uri:
            return Origin(f"models:/{model_id}", run_id, model_id)
        return Origin(str(self._logged(model_id).get("artifact_uri") or f"models:/{model_id}"), run_id)

    def _logged(self, model_id: str) -> dict[str, Any]:
        answer = self.endpoint.ask("GET", f"logged-models/{quote(model_id)}", what=f"logged model {model_id}")
        info = answers.items({"found": [answer.get("model")]}, "found")
        return dict(info[0].get("info") or {}) if info else {}

    def _source_run(self, model_id: str) -> str | None:
        return str(self._logged(model_id).get("source_run_id") or "") or None

    def _lineage_tags(self, run_id: str | None) -> dict[str, str]:
        """Return the tags that tell of the runs around the version's own; a run that is gone tells of none."""
        if not run_id:
            return {}
        try:
            run = self.get_run(run_id)
            found = {PARENT: run.data.tags.get(PARENT_TAG, ""), CHILD: self._best(run)}
        except (NotFoundError, ServerError):
            return {}
        return {key: value for key, value in found.items() if value}

    def _best(self, run: Run) -> str:
        """Return the id of the best candidate of a search; empty where a run is none."""
        if not any(key.startswith("best_") for key in run.data.metrics):
            return ""
        words = f"tags.`{PARENT_TAG}` = '{run.info.run_id}' AND tags.`{BEST_TAG}` = 'true'"
        found = self.search_runs([run.info.experiment_id], words, max_results=1)
        return found[0].info.run_id if found else ""

    def get_model_version_lineage(self, name: str, version: str | int) -> Lineage:
        """Return a version with its run, the runs around that, and the best candidate where it is a search.

        `NotFoundError`: there is no such version. A run that is gone is None.
        """
        found = self.get_model_version(name, version)
        run = self._run_or_none(found.run_id or (self._source_run(found.model_id) if found.model_id else ""))
        if run is None:
            return Lineage(found)
        child = self._best(run)
        return Lineage(found, run, self._parents(run), self._run_or_none(child))

    def _parents(self, run: Run) -> list[Run]:
        parents: list[Run] = []
        above: Run | None = run
        while above is not None and len(parents) < DEEPEST:
            above = self._run_or_none(above.data.tags.get(PARENT_TAG, ""))
            parents += [above] if above is not None else []
        return parents

    def _run_or_none(self, run_id: str | None) -> Run | None:
        try:
            return self.get_run(run_id) if run_id else None
        except NotFoundError:
            return None
