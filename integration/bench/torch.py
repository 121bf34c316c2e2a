"""What autologging of a hand-written loop costs by step: of a step that does next to nothing, and of one of about 5 ms.

MLflow does not record such loops; it stands here as what its patches cost. Times are of the thread that trains: with
`cpu`, the time that it computed, which a busy machine leaves as it is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from integration.bench.measuring import MODES, console, medians, table

__all__ = ["SCENARIOS", "torch"]

STEPS = {"small": 2000, "5 ms": 400}
WIDTH = {"small": 32, "5 ms": 1024}


def torch(uri: str, repeat: int, title: str) -> None:
    """Measure at the endpoint `uri`."""
    made = table(
        f"a loop by hand, {title}", "what", "none us a step", "mlflow adds", "fitscribe adds", "fitscribe, mean, adds",
        "fitscribe / none", "none cpu us", "fitscribe cpu adds",
    )  # fmt: skip
    for what in STEPS:
        found = medians("torch", what, uri, repeat, MODES)
        none, theirs, ours = (found[mode] for mode in MODES)
        made.add_row(
            what, f"{none['us']:.0f}", f"{theirs['us'] - none['us']:.0f}", f"{ours['us'] - none['us']:.0f}",
            f"{ours['mean'] - none['mean']:.0f}", f"{ours['us'] / none['us'] - 1:+.1%}",
            f"{none['cpu']:.0f}", f"{ours['cpu'] - none['cpu']:.0f}",
        )  # fmt: skip
    console.print(made)


def looped(mode: str, what: str) -> dict[str, float]:
    """Train in a loop: median and mean us of a step, and the median time that the thread computed in one."""
    import torch as framework

    if mode == "mlflow":
        import mlflow

        mlflow.pytorch.autolog()
    elif mode == "fitscribe":
        import fitscribe

        fitscribe.pytorch.autolog()
    framework.set_num_threads(1)
    nn, width = framework.nn, WIDTH[what]
    model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = framework.randn(32, width), framework.randint(0, 2, (32,))
    steps, times, computed = STEPS[what], [], []
    for step in range(steps + 120):  # the first ones are recorded each, as in any run; they warm up
        began, cpu = time.perf_counter_ns(), time.thread_time_ns()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step >= 120:
            times.append((time.perf_counter_ns() - began) / 1e3)
            computed.append((time.thread_time_ns() - cpu) / 1e3)
    return {"us": statistics.median(times), "mean": statistics.fmean(times), "cpu": statistics.median(computed)}


SCENARIOS: dict[str, Callable[[str, str], dict[str, float]]] = {"torch": looped}
