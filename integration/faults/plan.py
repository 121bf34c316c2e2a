"""A plan: what a training script is going to log, told by a seed alone; and what the server must have of it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from fitscribe.data import Dataset

__all__ = ["BEGAN", "Call", "Plan", "State", "content", "dataset", "planned"]

BEGAN = 1_750_000_000_000  # milliseconds since 1970, of the first metric point

State = Counter[str]
"""A line of text for every run, param, tag, metric point, artifact and input that is there, and how often."""


class Call(NamedTuple):
    """One call of the logging API on the run with the name `run`."""

    word: str
    run: str
    key: str = ""
    value: Any = None
    step: int = 0
    at: int = 0


class Plan(NamedTuple):
    """The calls of a script, and of the process that it forks at its call `fork` to log to the same run."""

    calls: list[Call]
    forked: list[Call]

    def state(self, done: int, forked: int) -> State:
        """Return what a server has when so many calls of each were made, and the script was gone then."""
        return _state([*self.calls[:done], *self.forked[:forked]])

    def allowed(self, done: int, forked: int) -> list[State]:
        """Return the states after a kill: that of the calls that returned, each process's next one there or not."""
        mains = [done] if done == len(self.calls) else [done, done + 1]
        others = [forked] if forked == len(self.forked) else [forked, forked + 1]
        return [self.state(main, other) for main in mains for other in others]


def planned(seed: int, name: str, *, fork: bool = True) -> Plan:
    """Return the plan of a script whose runs' names begin with `name`: some runs, some of them inside others."""
    chance = Random(f"{seed} {name}")
    calls: list[Call] = []
    forked: list[Call] = []
    for number in range(chance.randint(1, 3)):
        run = f"{name}.{number}"
        calls += [Call("start", run), *_said(chance, run, chance.randint(4, 25))]
        for child in range(chance.choice([0, 0, 1, 3])):
            inner = f"{run}.{child}"
            calls += [Call("start", inner, value=run), *_said(chance, inner, chance.randint(1, 8))]
            calls += [
                *_said(chance, run, 1, f"beside{child}-"),
                Call("end", inner, value=chance.choice(["FINISHED", "FAILED"])),
            ]
        if fork and not forked and chance.random() < 0.3:
            forked = list(_points(chance, run, "forked", chance.randint(2, 15)))
            calls += [Call("fork", run), *_points(chance, run, "meanwhile", 5), Call("join", run)]
        calls.append(Call("end", run, value="FINISHED"))
    return Plan(calls, forked)


def _said(chance: Random, run: str, count: int, prefix: str = "") -> Iterator[Call]:
    """Yield calls of all kinds; each param is said once, and tags are written over and taken away."""
    for number in range(count):
        key = f"{prefix}{number}"
        kind = chance.choice(["param", "tag", "tag", "untag", "text", "input", *["points"] * 4])
        if kind == "points":
            yield from _points(chance, run, f"loss{key}", chance.choice([1, 3, 30]))
        elif kind == "param":
            yield Call("param", run, f"p{key}", "x" * chance.choice([1, 20, 400]))
        elif kind == "tag":
            yield Call("tag", run, f"tag{chance.randint(1, 4)}", f"value {key}")
        elif kind == "untag":
            yield Call("untag", run, f"tag{chance.randint(1, 4)}")
        elif kind == "text":
            yield Call(chance.choice(["text", "file"]), run, f"folder/{key}.txt", chance.choice([10, 10_000, 400_000]))
        else:
            yield Call("input", run, f"data{key}", chance.choice(["train", "eval"]))


def _points(chance: Random, run: str, key: str, count: int) -> Iterator[Call]:
    for step in range(count):
        value = chance.choice([chance.random(), -1e300, 1e-300, 0.1 + 0.2, math.nan])
        yield Call("metric", run, key, value, step, BEGAN + chance.randrange(10_000_000))


def content(key: str, size: int) -> str:
    """Return the text of an artifact of `size` characters."""
    return (key * (size // len(key) + 1))[:size]


def dataset(key: str) -> Dataset:
    """Return a dataset that the key tells."""
    return Dataset(key, hashlib.md5(key.encode()).hexdigest()[:8], "code", "{}", "", '{"num_rows": 3}')


def _state(calls: Sequence[Call]) -> State:
    """Follow the calls; runs that are open at the end are those of a process that died."""
    found: State = Counter()
    tags: dict[tuple[str, str], str] = {}
    ends: dict[str, str] = {}
    for call in calls:
        match call.word:
            case "start":
                found[f"{call.run} inside {call.value or 'none'}"] += 1
                ends[call.run] = ""
            case "end":
                ends[call.run] = call.value
            case "tag":
                tags[call.run, call.key] = call.value
            case "untag":
                tags.pop((call.run, call.key), None)
            case "param" | "metric" | "text" | "file" | "input":
                found[f"{call.run} {_line(call)}"] += 1
    tags |= {(run, "fitscribe.end"): "process died" for run, status in ends.items() if not status}
    found.update(f"{run} {status or 'FAILED'}" for run, status in ends.items())
    found.update(f"{run} tag {key}={value}" for (run, key), value in tags.items())
    return found


def _line(call: Call) -> str:
    match call.word:
        case "param":
            return f"param {call.key}={call.value}"
        case "metric":
            return f"metric {call.key}={call.value!r} step {call.step} at {call.at}"
        case "input":
            return f"input {call.key} {dataset(call.key).digest} {call.value}"
    return f"artifact {call.key} {hashlib.sha256(content(call.key, call.value).encode()).hexdigest()}"
