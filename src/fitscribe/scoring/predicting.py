"""One request answered: from the body of it to the body of the response, by the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from fitscribe.errors import FitscribeError, MisuseError
from fitscribe.guard import log, outcome
from fitscribe.scoring import questions, replies
from fitscribe.scoring.refusals import INVALID, Refusal

__all__ = ["Model", "loaded", "predicted"]


class Model(Protocol):
    """What is served: a model that predicts, and knows its signature."""

    @property
    def metadata(self) -> Any:
        """What its MLmodel file says, with `signature`."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Return its answer."""


def loaded(folder: str | Path, trust: bool | str | None = None) -> Model:
    """Load the model of a folder. `UntrustedModel`: it would run code; `MisuseError`: it cannot be loaded here."""
    from fitscribe.models import pyfunc

    model = outcome(lambda: pyfunc.load(folder, trust=trust))
    if isinstance(model, FitscribeError):
        raise model
    if isinstance(model, Exception):
        log().debug("the model cannot be loaded", exc_info=model)
        words = f"the model cannot be loaded here: {type(model).__name__}: {model}"
        raise MisuseError(f"{words}. Its requirements.txt says what it needs") from model
    return model


def predicted(model: Model, body: bytes, media: str) -> bytes:
    """Return the answer to a request's body, as the body of a response. `Refusal`: there is none, and why."""
    metadata = model.metadata
    hinted = bool(metadata.to_dict().get("is_signature_from_type_hint"))
    asked = questions.asked(body, media, metadata.signature, hinted=hinted)
    answer = outcome(model.predict, asked.data, asked.params)
    if isinstance(answer, MisuseError):
        raise Refusal(str(answer), INVALID) from None
    if isinstance(answer, Exception):
        log().error("the model raised an error", exc_info=answer)
        raise Refusal(f"the model raised {type(answer).__name__}: {answer}") from None
    return replies.predictions(answer, bare=asked.bare)
