"""scikit-learn's own estimator checks with autologging off and on: what passes passes, what fails fails alike.

`python -m integration.sklearn.checks` runs them over all estimators (some minutes); names after it choose some.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.testing.recorder import Recorder

Results = dict[str, tuple[str, str]]  # by the check's name: its status, and the kind of what it raised


def estimators() -> list[Any]:
    """Return the estimators that scikit-learn's own tests check, made as they make them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sklearn.utils._test_common.instance_generator import _tested_estimators

        return list(_tested_estimators())


def checked(estimator: Any) -> Results:
    """Return how each check of an estimator ends."""
    from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = _get_expected_failed_checks(estimator)
        results = check_estimator(estimator, on_skip=None, on_fail=None, expected_failed_checks=known)
    found: Results = {}
    for number, each in enumerate(results):
        error = each["exception"]
        found[f"{number} {each['check_name']}"] = (
            each["status"],
            type(error).__name__,
        )  # words may hold random numbers
    return found


def differing(estimator: Any) -> Iterator[str]:
    """Check an estimator without and with autologging, and say where that is not the same."""
    with fitscribe.unwatched():
        plain = checked(estimator)
    ours = checked(estimator)
    for name in plain.keys() | ours.keys():
        if plain.get(name) != ours.get(name):
            yield f"{type(estimator).__name__}: {name}: {plain.get(name)} without, {ours.get(name)} with autologging"


def main(names: list[str]) -> int:
    """Check all estimators, or those of these names; return how many differ."""
    delivery.connect = lambda: None  # type: ignore[assignment] # the recorder listens instead
    chosen = [each for each in estimators() if not names or type(each).__name__ in names]
    different = 0
    with Recorder() as recorder:
        fitscribe.autolog()
        for place, estimator in enumerate(chosen, 1):
            began = time.perf_counter()
            found = list(differing(estimator))
            different += bool(found)
            runs = len(recorder.runs())
            recorder.said.clear()
            recorder.contents.clear()
            took = time.perf_counter() - began
            print(f"{place}/{len(chosen)} {estimator!s:.60} {took:.1f} s, {runs} runs", *found, sep="\n  ", flush=True)
        discovery.disable()
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
