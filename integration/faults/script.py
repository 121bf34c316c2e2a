"""The training script of a trial: `python -m integration.faults.script SEED NAME` makes the calls of its plan.

After each call it writes a line to `NAME.ledger`: what stands there had returned before the process was killed.
With the name `search` it is a grid search under `autolog()` instead.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from random import Random

import fitscribe
from integration.faults.plan import Call, content, dataset, planned

runs: dict[str, fitscribe.ActiveRun] = {}


def perform(call: Call) -> None:
    """Make one call of the logging API."""
    run = runs.get(call.run)
    match call.word:
        case "start":
            runs[call.run] = fitscribe.start_run(run_name=call.run, nested=call.value is not None)
        case "end":
            run.end(call.value)
        case "param":
            run.log_param(call.key, call.value)
        case "tag":
            run.set_tag(call.key, call.value)
        case "untag":
            run.delete_tag(call.key)
        case "metric":
            run.log_metric(call.key, call.value, call.step, call.at)
        case "text":
            run.log_text(content(call.key, call.value), call.key)
        case "file":
            changing(call)
        case "input":
            run.log_input(dataset(call.key), call.value)


def changing(call: Call) -> None:
    """Log a file that is another one the moment after."""
    folder, _, name = call.key.rpartition("/")
    with open(name, "w", encoding="utf-8") as file:
        file.write(content(call.key, call.value))
    runs[call.run].log_artifact(name, folder)
    with open(name, "w", encoding="utf-8") as file:
        file.write("changed")


def follow(calls: Sequence[Call], ledger: str, pace: Random, fork: Callable[[], object] = lambda: None) -> None:
    """Make the calls one after the other, now and then with a pause as between batches."""
    child: object = None
    file = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for call in calls:
        if call.word == "fork":
            child = fork()
        elif call.word == "join":
            child.join()
        else:
            perform(call)
        os.write(file, b".")
        if pace.random() < 0.1:
            time.sleep(pace.uniform(0, 0.1))


def train(seed: int, name: str) -> None:
    """Follow the plan of the seed."""
    import multiprocessing

    plan = planned(seed, name, fork=hasattr(os, "fork"))

    def fork() -> object:
        child = multiprocessing.get_context("fork").Process(
            target=follow, args=(plan.forked, f"{name}.forked.ledger", Random(seed + 1))
        )
        child.start()
        with open("forked.pid", "w", encoding="ascii") as file:
            file.write(str(child.pid))
        return child

    follow(plan.calls, f"{name}.ledger", Random(seed), fork)


def search() -> None:
    """Search a small grid; every candidate is a run inside the search's."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    fitscribe.sklearn.autolog(silent=True, max_tuning_runs=None)
    X, y = make_classification(100, 4, random_state=0)
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(X, y)


if __name__ == "__main__":
    if sys.argv[2] == "search":
        search()
    else:
        train(int(sys.argv[1]), sys.argv[2])
