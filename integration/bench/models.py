"""What it costs to log a model and to load it, beside MLflow: the user's time, and the time until all is there."""

from __future__ import annotations

import importlib.util
import statistics

from integration.bench.measuring import MODES, console, measured, ratio, table
from integration.bench.proxy import Relay
from integration.bench.trained import KINDS

__all__ = ["models"]

NEEDS = {"pytorch": "torch", "keras": "keras"}


def models(uri: str, repeat: int, title: str) -> None:
    """Print for every kind of model that can be made here what `log_model` and `load_model` take."""
    made = table(
        f"log_model, the second of a process, {title}",
        "what", "pickle ms", "mlflow ms", "fitscribe ms", "mlflow / fitscribe", "the first", "there: mlflow",
        "fitscribe", "requests", "load: mlflow", "fitscribe",
    )  # fmt: skip
    for kind in KINDS:
        if kind in NEEDS and importlib.util.find_spec(NEEDS[kind]) is None:
            continue
        for how in ("plain", "example"):
            none, theirs, ours = (_found(mode, f"{kind}:{how}", uri, repeat) for mode in MODES)
            made.add_row(
                kind if how == "plain" else f"{kind}, with an input example",
                *(f"{each['again']:,.1f}" for each in (none, theirs, ours)), ratio(theirs["again"], ours["again"]),
                f"{theirs['first']:,.0f} / {ours['first']:,.1f}",
                *(f"{each['again, there']:,.0f}" for each in (theirs, ours)),
                f"{theirs['requests']:,.0f} / {ours['requests']:,.0f}",
                *(f"{each['load']:,.0f}" for each in (theirs, ours)),
            )  # fmt: skip
    console.print(made)


def _found(mode: str, argument: str, uri: str, repeat: int) -> dict[str, float]:
    results = []
    with Relay(int(uri.rpartition(":")[2])) as relay:
        for _ in range(repeat):
            relay.forget()
            found = measured("models", mode, argument, relay.uri)
            results.append({**found, "requests": relay.requests})
    return {key: statistics.median(each[key] for each in results) for key in results[0]}
