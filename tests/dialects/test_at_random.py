"""Endpoints that fail at random, before and after they did what was asked: the end is that of a faultless run."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitscribe.dialects import AddressBook, trials
from fitscribe.dialects.mlflow import MLflow
from fitscribe.dialects.parcels import addressed
from fitscribe.records import Artifact, DatasetUsed, Metrics, Params, Record, RunEnded, RunStarted, Tags, new_id
from fitscribe.shipping.delivery import Delivery
from fitscribe.shipping.sorting import sorted_out
from fitscribe.testing.endpoint import Endpoint, Request
from fitscribe.testing.ledger import LedgerRun

PAGE = b"<html>"


def moody(endpoint: Endpoint, dice: random.Random) -> Callable[[Request], Any]:
    def rule(request: Request) -> Any:
        luck = dice.random()
        done = 0.15 < luck < 0.25 or 0.30 < luck < 0.35 or (luck < 0.45 and request.path.endswith("create"))
        if done:  # though the answer says otherwise, or it is done once more
            endpoint.ledger.handle(request.method, request.path, request.body)
        return next((answer for most, answer in ANSWERS if luck < most), None)

    return rule


ANSWERS = ((0.25, (500, b"no")), (0.30, (404, PAGE)), (0.35, (503, PAGE)))


def records(to: str) -> list[Record]:
    parent, children = new_id(), [new_id() for _ in range(4)]
    said: list[Record] = [RunStarted(parent, 1, to, "parent")]
    for child in children:
        said += [RunStarted(child, 1, to, f"child {child}", parent=parent, tags={"born": "1"})]
        said += [Params(child, 2, {"a": "1"}), Metrics(child, 3, 0, {"m": 1.0}), DatasetUsed(child, 3, "data", "abc")]
        said += [Artifact(child, 3, "file", "f"), Tags(child, 4, {"z": "1", "gone": None})]
        said += [RunEnded(child, 5, "FINISHED")]
    return [*said, RunEnded(parent, 6, "FINISHED")]


def shown(run: LedgerRun) -> tuple[Any, ...]:
    return run.status, run.params, run.points, len(run.inputs) > 0, sorted(key for key in run.tags if "." not in key)


@pytest.mark.parametrize("seed", range(12))
def test_the_end_is_that_of_a_faultless_run(
    endpoint: Endpoint, mlflow: MLflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(trials, "SECONDS", 0.0)
    (tmp_path / "f").write_bytes(b"x")
    endpoint.rules.append(moody(endpoint, random.Random(seed)))
    said = records(endpoint.uri)
    book = AddressBook(addressed(record) for record in said if isinstance(record, RunStarted))
    delivery = Delivery(lambda uri: mlflow, tmp_path)
    assert delivery.deliver(sorted_out(said, book, [tmp_path], {}), lambda seconds, asked: True)
    delivery.close()
    ledger = endpoint.ledger
    alive = [shown(run) for run in ledger.runs.values() if run.run_id not in ledger.deleted]
    child = ("FINISHED", {"a": "1"}, {"m": [(1.0, 3, 0)]}, True, ["born", "z"])
    assert sorted(alive, key=str) == sorted([("FINISHED", {}, {}, False, []), *[child] * 4], key=str)
    assert len([path for path in ledger.artifacts if path.endswith("/file")]) == 4
    assert delivery.set_aside == 0
