from __future__ import annotations

import sys

import pytest

from fitscribe.undivided import undivided


def test_background_work_hands_over_sooner_and_leaves_no_trace() -> None:
    usual = sys.getswitchinterval()
    with undivided:
        with undivided:
            pass
        assert sys.getswitchinterval() < usual / 5
    assert sys.getswitchinterval() == usual


@pytest.mark.parametrize("chosen", [0.001, 0.05])
def test_an_interval_that_somebody_chose_stays(chosen: float) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(chosen)
    try:
        with undivided:
            assert sys.getswitchinterval() == pytest.approx(chosen, abs=1e-6)
        assert sys.getswitchinterval() == pytest.approx(chosen, abs=1e-6)
    finally:
        sys.setswitchinterval(usual)
