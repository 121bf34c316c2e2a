"""What a recorded model predicts: scikit-learn's metrics of it go to the model's run, where they are watched.

As with scikit-learn's own models, the array and any view of it are known; what is computed from it is not.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity
from fitscribe.integrations.keras import evaluation
from fitscribe.integrations.sklearn import predictions
from fitscribe.integrations.sklearn.evaluation import Evaluation
from fitscribe.integrations.sklearn.written import Argument, here

__all__ = ["recorded"]

_evaluations: ByIdentity[Evaluation] = ByIdentity()


def recorded(call: Any) -> Generator[None, Any, None]:
    """Remember what `predict` of a model that was trained here returns; of any other nothing."""
    run, epoch = evaluation.trained(call.target)
    if run is None:
        return
    found = _evaluation(call.target, run)
    data = found.data(call.argument("x"), here(), Argument("predict", 0, "x"))
    result = yield
    with guarded("remembering what was predicted"):
        predictions.remember(result, predictions.Prediction(found, data, epoch))


def _evaluation(model: Any, run: Any) -> Evaluation:
    found = _evaluations.get(model)
    if found is None or found.run is not run:
        found = Evaluation(run, None)
        _evaluations.put(model, found)
    return found
