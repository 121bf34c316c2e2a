"""Boosting libraries under autologging, heard by a recorder; at the end every patched function is what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import catboost
import lightgbm
import lightgbm.engine
import lightgbm.sklearn
import pytest
import xgboost
from sklearn.base import BaseEstimator

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.testing.recorder import Recorder


@pytest.fixture
def recorder(monkeypatch, tmp_path) -> Iterator[Recorder]:
    monkeypatch.chdir(tmp_path)  # CatBoost writes files where it stands
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        yield recorder


@pytest.fixture
def everything(recorder) -> Iterator[Recorder]:
    """Everything that runs say, with autologging on for all that is imported."""
    before = functions()
    fitscribe.autolog()
    yield recorder
    fitscribe.autolog(disable=True)
    discovery.disable()
    assert functions() == before


@pytest.fixture
def only(recorder) -> Iterator[Callable[..., None]]:
    """Switch one library's autologging on, with options."""
    before = functions()

    def switch(name: str, **options) -> None:
        getattr(fitscribe, name).autolog(**options)

    yield switch
    discovery.disable()
    assert functions() == before


def functions() -> list[object]:
    """All that can be replaced: functions by their names, and what decorated ones call."""
    found: list[object] = [
        cell.cell_contents for each in (xgboost.train, xgboost.cv) for cell in each.__closure__ or ()
    ]
    for module, names in (
        (xgboost, ("train", "cv")),
        (xgboost.sklearn, ("train",)),
        (lightgbm, ("train", "cv")),
        (lightgbm.engine, ("train", "cv")),
        (lightgbm.sklearn, ("train",)),
        (catboost, ("cv",)),
        (catboost.core, ("cv",)),
        (BaseEstimator, ("fit", "__init_subclass__")),
        (xgboost.XGBModel, ("fit",)),
        (lightgbm.LGBMModel, ("fit",)),
        *((kind, ("fit", "__init_subclass__")) for kind in (catboost.CatBoost, catboost.CatBoostClassifier)),
    ):
        found += [vars(module).get(name) for name in names]
    return [id(each) for each in found]
