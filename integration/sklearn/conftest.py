"""scikit-learn under autologging, heard by a recorder."""

from __future__ import annotations

import pytest

import fitscribe
from fitscribe import discovery


@pytest.fixture
def autolog(recorder):
    """Switch autologging on with options; at the end every patched name is what it was."""
    before = patched_names()

    def switch(**options):
        fitscribe.sklearn.autolog(**options)

    fitscribe.autolog()
    yield switch
    fitscribe.autolog(disable=True)
    discovery.disable()
    after = patched_names()
    assert {name: after[name] for name in before} == before
    assert not [name for name, each in after.items() if hasattr(each, "__fitscribe__")]


def patched_names() -> dict[str, object]:
    """Every attribute of every estimator class that could be replaced, as it is now."""
    from sklearn.base import BaseEstimator
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.pipeline import Pipeline
    from sklearn.utils.parallel import _FuncWrapper

    from fitscribe.patching import family_of

    found: dict[str, object] = {}
    for cls in [*family_of(BaseEstimator), _FuncWrapper]:
        if not cls.__module__.startswith("sklearn"):
            continue
        names = (
            "fit",
            "fit_transform",
            "fit_predict",
            "fit_resample",
            "partial_fit",
            "_run_search",
            "__call__",
            "__init_subclass__",
        )
        for name in names:
            if name in vars(cls):
                found[f"{cls.__module__}.{cls.__qualname__}.{name}"] = vars(cls)[name]
    for cls, name in ((Pipeline, "fit_transform"), (Pipeline, "fit_predict"), (LocalOutlierFactor, "fit_predict")):
        found[f"{cls.__qualname__}.{name}.fn"] = vars(cls)[name].fn
    return found
