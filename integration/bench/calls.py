"""The work behind `delivery`, `steps`, `troubles` and `outage`: calls of the tracking API, each of them timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["SCENARIOS", "STEP_WORK", "at"]

FIVE = ("loss", "accuracy", "learning_rate", "gradient_norm", "throughput")

clock = time.perf_counter


def at(call: str) -> None:
    """Say what comes next, for whoever ends this process because it does not."""
    print("AT " + call, flush=True)


def tracker_of(mode: str) -> Any:
    if mode.startswith("mlflow"):
        import mlflow as tracker
    else:
        import fitscribe as tracker
    return tracker


def settle(mode: str) -> None:
    """Wait until everything is where it should be."""
    if mode == "mlflow-async":
        tracker_of(mode).flush_async_logging()
    elif mode == "fitscribe":
        tracker_of(mode).flush(300)


def spread(seconds: list[float], name: str = "") -> dict[str, float]:
    """Return median, 99th percentile and maximum in microseconds."""
    ordered = sorted(seconds)
    words = {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)], "max": ordered[-1]}
    return {f"{name}{word}": value * 1e6 for word, value in words.items()}


def delivery(mode: str, calls: str) -> dict[str, float]:
    """Metric calls one after another; then the run ends, and for MLflow's asynchronous ones the queue is awaited."""
    tracker = tracker_of(mode)
    how = {"synchronous": False} if mode == "mlflow-async" else {}
    times = []
    at("start_run")
    with tracker.start_run():
        at("log_metric")
        tracker.log_metric("warm", 1.0)
        for step in range(int(calls)):
            began = clock()
            tracker.log_metric("loss", 1.0 / (step + 1), step=step, **how)
            times.append(clock() - began)
        at("the end of the run")
        ended = time.time()
        if how:
            settle(mode)
    return {"us": sum(times) / len(times) * 1e6, "calls": len(times), "ended": ended, **spread(times)}


# steps


def of_python(count: int) -> None:
    total = 0
    for number in range(count):
        total += number & 7


class of_numpy:
    """Products of matrices, which let go of the interpreter's lock."""

    def __init__(self) -> None:
        import numpy

        self.left = numpy.random.default_rng(0).standard_normal((128, 128))
        self.out = numpy.empty((128, 128))

    def __call__(self, count: int) -> None:
        for _ in range(count):
            self.left.dot(self.left, out=self.out)


STEP_WORK: dict[str, Callable[[], Callable[[int], None]]] = {"python": lambda: of_python, "numpy": of_numpy}


def calibrated(_: str, kind: str) -> dict[str, float]:
    """Return how much work takes a millisecond: always the same amount, so that time stolen from it shows."""
    work, count = STEP_WORK[kind](), 1
    while (took := _best(work, count)) < 0.002:
        count *= 2
    return {"count": max(1, round(count * 0.001 / took)), "ended": time.time()}


def _best(work: Callable[[int], None], count: int) -> float:
    times = []
    for _ in range(200):
        began = clock()
        work(count)
        times.append(clock() - began)
    return sorted(times)[20]


def logger(mode: str, how: str) -> Callable[[int], None]:
    """Return what logs five metrics of a step, in one call (`batch`) or in five (`single`)."""
    if mode == "none":
        return lambda step: None
    tracker = tracker_of(mode)
    extra = {"synchronous": False} if mode == "mlflow-async" else {}

    def batch(step: int) -> None:
        tracker.log_metrics(dict.fromkeys(FIVE, 0.5 + step), step=step, **extra)

    def single(step: int) -> None:
        for name in FIVE:
            tracker.log_metric(name, 0.5 + step, step=step, **extra)

    return batch if how == "batch" else single


def steps(mode: str, argument: str) -> dict[str, float]:
    """Steps of a millisecond with five metrics each; `KIND:HOW:STEPS:COUNT:cold` or `warm`, after an earlier run."""
    kind, how, number, count, state = argument.split(":")
    work, log, size = STEP_WORK[kind](), logger(mode, how), int(count)
    opened = 0.0
    if mode != "none":
        tracker = tracker_of(mode)
        if state == "warm":
            with tracker.start_run():
                log(0)
            settle(mode)
        at("start_run()")
        began = clock()
        tracker.start_run()
        opened = clock() - began
    at("the first step")
    logging = []
    began = clock()
    for step in range(int(number)):
        work(size)
        before = clock()
        log(step)
        logging.append(clock() - before)
    looped = clock() - began
    at("the end")
    ended = time.time()
    if mode == "mlflow-async":
        settle(mode)
    return {"step": looped / int(number) * 1e3, "start_run": opened * 1e3, "ended": ended, **spread(logging)}


# troubles


def troubles(mode: str, argument: str) -> dict[str, float]:
    """Fits with everything on and steps with five calls, while the endpoint is in trouble; `STEPS:COUNT`.

    Of a fit counts the time that fitscribe itself says it took of it.
    """
    number, count = map(int, argument.split(":"))
    tracker = tracker_of(mode)
    at("a fit")
    found = spread(_fits(tracker), "fit ")
    times: list[float] = []
    at("set_experiment()")
    found["set_experiment"] = _timed(tracker.set_experiment, "troubles") * 1e3
    at("start_run()")
    found["start_run"] = _timed(tracker.start_run) * 1e3
    at("log_metric()")
    for step in range(number):
        of_python(count)
        for name in FIVE:
            began = clock()
            tracker.log_metric(name, 0.5 + step, step=step)
            times.append(clock() - began)
        if not step % 100:
            began = clock()
            tracker.log_params({f"at {step}": step})
            times.append(clock() - began)
    found["end_run"] = _timed(tracker.end_run) * 1e3
    return {**found, **spread(times), "ended": time.time()}


def _fits(tracker: Any) -> list[float]:
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression

    X, y = make_classification(2000, 20, random_state=0)
    tracker.sklearn.autolog(silent=True)
    times = []
    for C in range(1, 21):
        before = tracker.delivery_status().overhead_ms
        LogisticRegression(C=C).fit(X, y)
        times.append((tracker.delivery_status().overhead_ms - before) / 1e3)
    tracker.sklearn.autolog(disable=True)
    return times


def _timed(call: Callable[..., Any], *arguments: Any) -> float:
    began = clock()
    call(*arguments)
    return clock() - began


def one_call(mode: str, _: str) -> dict[str, float]:
    """Return how long a run with one metric takes, in seconds."""
    tracker = tracker_of(mode)
    at("start_run()")
    began = clock()
    with tracker.start_run():
        at("log_metric()")
        tracker.log_metric("loss", 1.0)
    return {"s": clock() - began, "ended": time.time()}


# an outage


def outage(mode: str, points: str) -> dict[str, float]:
    """Points as fast as they come while the endpoint is not there; a tenth of them at a time."""
    from integration.bench.memory import resident

    tracker = tracker_of(mode)
    tracker.start_run(run_name="outage")
    for step in range(20_000):
        tracker.log_metric("warm", 1.0, step=step)
    while not tracker.delivery_status().trouble:  # what is imported for the first attempt is no growth
        time.sleep(0.1)
    found = {"before": resident()}
    part = int(points) // 10
    for tenth in range(10):
        began = clock()
        for step in range(tenth * part, (tenth + 1) * part):
            tracker.log_metric("loss", 0.5, step=step)
        found[f"us {tenth}"] = (clock() - began) / part * 1e6
        found[f"rss {tenth}"] = resident()
        at(f"point {(tenth + 1) * part}: {found[f'us {tenth}']:.1f} us, {found[f'rss {tenth}']:.0f} MB")
    status = tracker.delivery_status()
    found.update(bytes=status.bytes, pending=status.pending, lost=status.lost)
    return {**found, "ended": time.time()}


SCENARIOS: dict[str, Callable[[str, str], dict[str, float]]] = {
    "delivery": delivery, "calibrated": calibrated, "steps": steps, "troubles": troubles, "one call": one_call,
    "outage": outage,
}  # fmt: skip
