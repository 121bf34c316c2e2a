"""What is known of a model at any URI, without loading it; and its signature, set afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fitscribe import locating
from fitscribe.client import Client
from fitscribe.errors import MisuseError
from fitscribe.models.format import MLMODEL
from fitscribe.models.model import Model
from fitscribe.models.signature import ModelSignature, as_signature
from fitscribe.registering.addresses import logged_model_of

__all__ = ["ModelInfo", "get_model_info", "set_signature"]


class ModelInfo:
    """What an MLmodel file tells, and the URI it was asked of."""

    def __init__(self, model: Model, model_uri: str) -> None:
        """Keep both."""
        self.model, self.model_uri = model, model_uri

    @property
    def flavors(self) -> dict[str, Any]:
        """The flavors by name."""
        return self.model.flavors

    @property
    def signature(self) -> ModelSignature | None:
        """What goes in and what comes out, or None."""
        return self.model.signature

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The same as a dict of JSON texts."""
        return self.model.content.get("signature")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __repr__(self) -> str:
        return f"<ModelInfo {self.model_uri!r}: {', '.join(self.flavors)}>"


def get_model_info(model_uri: str | Path) -> ModelInfo:
    """Return what is known of a model: `flavors`, `signature`, `metadata`, `run_id`, …; only its MLmodel is fetched.

    `NotFoundError`: there is no model.
    """
    found = locating.locate(model_uri, below=MLMODEL)
    try:
        return ModelInfo(Model.load(found.folder), str(model_uri))
    finally:
        found.forget()


def set_signature(model_uri: str | Path, signature: Any) -> None:
    """Give a model another signature, in its MLmodel file: a folder's, a run's, or a logged model's.

    `MisuseError`: no signature, or a version of a registered model, which never changes.
    """
    wanted, words = as_signature(signature), str(model_uri)
    if wanted is None:
        raise MisuseError("set_signature needs a signature; make one by infer_signature(inputs, outputs)")
    if words.startswith("models:/") and not logged_model_of(words):
        raise MisuseError(f"{words!r} is a version, and versions never change; set it where the model was logged")
    if not words.startswith(("runs:", "models:")):
        folder = locating.locate(words).folder
        _with(Model.load(folder), wanted).save(folder / MLMODEL)
        return
    with tempfile.TemporaryDirectory(prefix="fitscribe-") as fresh:
        file = Path(fresh) / MLMODEL
        locating.locate(words, fresh, below=MLMODEL)
        model = _with(Model.load(file), wanted)
        model.save(file)
        if model_id := logged_model_of(words) or model.model_id:  # its files are not among the run's own
            Client().log_model_artifact(model_id, file)
        else:
            run_id, _, path = words.removeprefix("runs:").strip("/").partition("/")
            Client().log_artifact(run_id, file, path or None)


def _with(model: Model, signature: ModelSignature) -> Model:
    model.signature = signature
    return model
