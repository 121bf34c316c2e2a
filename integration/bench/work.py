"""The work that is measured, in a process of its own: `python -m integration.bench.work SCENARIO MODE ARGUMENT`.

MODE is none, mlflow or fitscribe; the tracking URI comes by MLFLOW_TRACKING_URI. Times are in milliseconds.
What was found is printed as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

clock = time.perf_counter


def imported(mode: str, _: str) -> dict[str, float]:
    began = clock()
    if mode == "mlflow":
        import mlflow

        mlflow.autolog()
    elif mode == "fitscribe":
        import fitscribe

        fitscribe.autolog()
    return {"ms": (clock() - began) * 1000, "modules": len(sys.modules)}


def switched(mode: str, **options: object) -> None:
    if mode == "mlflow":
        import mlflow

        mlflow.sklearn.autolog(silent=True, **options)
    elif mode == "fitscribe":
        import fitscribe

        fitscribe.sklearn.autolog(silent=True, **options)


def fits(mode: str, models: str) -> dict[str, float]:
    """Ten fits of a small model: the median of them, and everything until the process could go."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression

    X, y = make_classification(20_000, 20, random_state=0)
    LogisticRegression().fit(X[:100], y[:100])
    switched(mode, log_models=models == "models")
    times = []
    began = clock()
    for C in range(1, 11):
        one = clock()
        LogisticRegression(C=C).fit(X, y)
        times.append((clock() - one) * 1000)
    looped = (clock() - began) * 1000
    settle(mode)
    times.sort()
    return {"ms": times[len(times) // 2], "ten fits": looped, "delivered": (clock() - began) * 1000}


def search(mode: str, candidates: str) -> dict[str, float]:
    """A grid search of two-fold candidates, all of them as child runs."""
    import numpy as np
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    X, y = make_classification(4000, 20, random_state=0)
    options = {"max_tuning_runs": None} if mode != "none" else {}
    switched(mode, log_models=False, **options)
    grid = {"C": list(np.logspace(-3, 3, int(candidates)))}
    began = clock()
    GridSearchCV(LogisticRegression(), grid, cv=2).fit(X, y)
    took = (clock() - began) * 1000
    settle(mode)
    return {"ms": took, "delivered": (clock() - began) * 1000}


def settle(mode: str) -> None:
    if mode == "fitscribe":
        import fitscribe

        fitscribe.flush(300)


SCENARIOS = {"imported": imported, "fits": fits, "search": search}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    scenario, mode, argument = sys.argv[1:4]
    if scenario not in SCENARIOS:
        from integration.bench import calls, keras, lightning, live, torch, trained  # not before: it counts modules

        SCENARIOS |= (
            calls.SCENARIOS
            | live.SCENARIOS
            | trained.SCENARIOS
            | keras.SCENARIOS
            | lightning.SCENARIOS
            | torch.SCENARIOS
        )
    found = SCENARIOS[scenario](mode, argument)
    print("RESULT " + json.dumps({"ended": time.time(), **found}))
