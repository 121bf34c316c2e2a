import doctest
import math
from pathlib import Path
from typing import Any

import pytest

from fitscribe.dialects.events import Events
from fitscribe.dialects.mlflow import MLflow
from fitscribe.store import Store
from fitscribe.testing import dialects as kit
from fitscribe.testing.dialects import Seen, check_dialect
from fitscribe.testing.endpoint import Endpoint
from fitscribe.testing.receiver import Receiver
from fitscribe.transport.http import Http
from fitscribe.transport.local import Local

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def number(value: Any) -> float:
    return WORDS[value] if value in WORDS else float(value)


def test_the_example_of_the_kit_passes() -> None:
    assert doctest.testmod(kit) == doctest.TestResults(failed=0, attempted=7)


def test_the_mlflow_dialect_survives_all_of_it(endpoint: Endpoint) -> None:
    def read() -> dict[str, Seen]:
        ledger = endpoint.ledger
        files = {
            run.run_id: {
                path.split("/artifacts/", 1)[1]: content
                for path, content in ledger.artifacts.items()
                if f"/{run.run_id}/" in path
            }
            for run in ledger.runs.values()
        }
        return {
            run.run_name: Seen(
                run.params,
                {key: [(step, number(value)) for value, _, step in points] for key, points in run.points.items()},
                run.tags,
                files[run.run_id],
                getattr(ledger.runs.get(run.tags.get("mlflow.parentRunId", "")), "run_name", ""),
                run.status,
            )
            for run in ledger.runs.values()
        }

    check_dialect(lambda wrap: MLflow(wrap(Http(endpoint.uri)), endpoint.uri), read, endpoint.uri, refused="a@b")


def test_the_embedded_store_survives_all_of_it(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    store = Store(tmp_path / "store")

    def ask(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, content = store.handle(method, f"/api/2.0/mlflow/{path}", body)
        assert status == 200, content
        return content

    def points(run: str, key: str) -> list[tuple[int, float]]:
        found = ask("GET", "metrics/get-history", {"run_id": run, "metric_key": key}).get("metrics", [])
        return [(int(each.get("step", 0)), number(each["value"])) for each in found]

    def read() -> dict[str, Seen]:
        seen = {}
        runs = ask("POST", "runs/search", {"experiment_ids": ["0"], "max_results": 1000}).get("runs", [])
        names = {run["info"]["run_id"]: run["info"]["run_name"] for run in runs}
        for run in runs:
            info, data = run["info"], run["data"]
            tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
            root = Path(info["artifact_uri"].removeprefix("file://"))
            seen[info["run_name"]] = Seen(
                {param["key"]: param["value"] for param in data.get("params", [])},
                {each["key"]: points(info["run_id"], each["key"]) for each in data.get("metrics", [])},
                tags,
                {each.relative_to(root).as_posix(): each.read_bytes() for each in root.rglob("*") if each.is_file()},
                names.get(tags.get("mlflow.parentRunId", ""), ""),
                info["status"],
            )
        return seen

    check_dialect(lambda wrap: MLflow(wrap(Local(tmp_path / "store")), uri), read, uri, refused="a@b")
    store.close()


class Forgetful(Events):
    """Leaves out the last metric of each parcel."""

    def write(self, parcel: Any) -> None:
        parcel.records = [each for each in parcel.records if getattr(each, "step", None) != -1]
        super().write(parcel)


def test_a_dialect_that_loses_a_point_does_not_pass() -> None:
    names: dict[str, str] = {}

    def read() -> dict[str, Seen]:
        seen: dict[str, Seen] = {}
        for line in endpoint.ledger.lines:
            run = seen.setdefault(names.setdefault(line["run"], line.get("name", "")), Seen())
            if line["type"] == "params":
                run.params.update(line["values"])
            if line["type"] == "metrics":
                run.points.setdefault("loss", []).append((line["step"], number(line["values"]["loss"])))
        return seen

    with Endpoint(ledger=Receiver()) as endpoint:
        uri = f"events+{endpoint.uri}"
        with pytest.raises(AssertionError, match="a plain run: the metric points"):
            check_dialect(lambda wrap: Forgetful(wrap(Http(endpoint.uri)), uri), read, uri)
