"""Models of a run, and the checkpoints that training left of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fitscribe.config import canonical_uri, settings, without_credentials
from fitscribe.errors import FitscribeError
from fitscribe.guard import guarded, warn_once
from fitscribe.records import ModelBegun, ModelLogged, now
from fitscribe.values import PARAM_LIMIT, TAG_LIMIT, legal_key, shortened, text
from fitscribe.words.data import Datasets

if TYPE_CHECKING:
    from fitscribe.models.signature import ModelSignature
    from fitscribe.run import Run

__all__ = ["Models"]


class Models(Datasets):
    """The words for models."""

    to: str

    @guarded("logging a checkpoint")
    def log_checkpoint(self, file: str | Path, path: str) -> None:
        """Record a file that training left as the artifact `path`, once for each state of it.

        One of more than FITSCRIBE_MODEL_LIMIT (500 MB) is not copied: its path, size and hash are recorded instead.
        """
        from fitscribe import checkpoints

        if not self.aside:
            checkpoints.record(cast("Run", self), file, path)

    @guarded("logging the model")
    def log_model(
        self,
        model: Any,
        path: str = "model",
        *,
        flavor: str = "sklearn",
        model_input: Any = None,
        signature: bool | ModelSignature = True,
        input_example: bool = False,
        witness: Any = None,
        register_as: str = "",
        params: Mapping[str, object] | None = None,
        **options: Any,
    ) -> None:
        """Record a model as a model directory under `path`: written now, described in the background.

        `model_input` is what it was trained on; its first rows tell the signature, unless that is given, and are the
        example if wanted.
        A `witness` predicts them in the model's place; `params` are what was configured, if not the params of the run;
        `register_as` is the registered model that it becomes a version of; `options` are the flavor's. What cannot be
        written, or has more than `limit` bytes, is left out, and the tag `fitscribe.model` says why.
        """
        from fitscribe import modeling
        from fitscribe.models.wishes import Wishes

        if self.aside:
            return
        asked = model if witness is None else witness
        given: dict[str, Any] = {"flavor": flavor, "options": options}
        try:
            found, example = modeling.looked_at(
                asked, model_input, signature=signature is True, input_example=input_example, **given
            )
            wished = Wishes(signature=found if isinstance(signature, bool) else signature, example=example)
            run = cast("Run", self)
            modeling.record(run, model, path, wished=wished, register_as=register_as, params=params, **given)
        except FitscribeError as error:  # the rest of the run is none the worse
            self.set_tags({"fitscribe.model": f"left out: {error}"})
            warn_once("the model is left out: %s", error)

    @guarded("beginning a model")
    def model_begun(
        self,
        path: str,
        model: str,
        params: Mapping[str, object] | None = None,
        *,
        tags: Mapping[str, object] | None = None,
        model_type: str = "",
        step: int = 0,
    ) -> None:
        """Say that a model directory begins at `path`, under a new id of ours (`m-` and 32 hex characters).

        Its files are recorded with that id. Without `params`, those of the run are its own.
        """
        told = {legal_key(key): shortened(text(value), PARAM_LIMIT) for key, value in (params or {}).items()}
        labels = {legal_key(key): shortened(text(value), TAG_LIMIT) for key, value in (tags or {}).items()}
        self.say(ModelBegun(self.id, now(), model, path, told, labels, model_type, step))

    @guarded("logging a model")
    def model_logged(self, path: str, mlmodel: Mapping[str, object], register_as: str = "", model: str = "") -> None:
        """Say that the artifacts under `path` are a model directory, described by its MLmodel content."""
        registry = self._registry() if register_as else ""
        self.say(ModelLogged(self.id, now(), path, json.dumps(mlmodel, default=str), register_as, model, registry))

    def _registry(self) -> str:
        """Return where models are registered now, if not where this run goes."""
        given = settings().registry_uri
        found = without_credentials(canonical_uri(given)) if given else ""
        return "" if found == without_credentials(self.to) else found
