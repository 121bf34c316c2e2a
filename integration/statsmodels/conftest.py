"""statsmodels under autologging, heard by a recorder."""

from __future__ import annotations

import pytest

import fitscribe
from fitscribe import discovery


@pytest.fixture
def autolog(recorder):
    """Switch autologging on; at the end every method of every model is what it was."""
    before = methods()

    def switch(**options):
        fitscribe.statsmodels.autolog(**options)

    switch()
    yield switch
    discovery.disable()
    after = methods()
    assert {name: after[name] for name in before} == before
    assert not [name for name, each in after.items() if hasattr(each, "__fitscribe__")]


def methods() -> dict[str, object]:
    from statsmodels.base.model import Model

    from fitscribe.patching import family_of

    places = {place for cls in family_of(Model) for place in cls.__mro__ if place.__module__.startswith("statsmodels.")}
    names = ("fit", "fit_constrained", "fit_regularized", "fit_map", "fit_vb", "fit_em", "fitgmm", "__init_subclass__")
    return {f"{cls.__module__}.{cls.__qualname__}.{name}": vars(cls)[name]
            for cls in places for name in names if name in vars(cls)}  # fmt: skip
