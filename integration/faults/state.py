"""The state of a server, read by its REST interface: a line of text for everything that an experiment holds."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fitscribe.transport import Transport
from integration.faults.plan import State

__all__ = ["Server", "difference"]

OURS = ("fitscribe.end",)
"""Tags under `fitscribe.` that a state tells of; a plan's own begin with `tag`."""


class Server:
    """A server, or an embedded store, as its answers show it."""

    def __init__(self, transport: Transport) -> None:
        """Ask by `transport`, and not by anything that is under test beyond that."""
        self.transport = transport

    def state(self, experiment: str) -> State:
        """Return all that the experiment with this name holds; what is there twice counts twice."""
        found = self._ask("GET", "experiments/get-by-name", {"experiment_name": experiment})
        if not found:
            return Counter()
        runs = self._runs(found["experiment"]["experiment_id"])
        names = {run["info"]["run_id"]: run["info"].get("run_name", "?") for run in runs}
        return Counter(f"{run['info'].get('run_name')} {line}" for run in runs for line in self._run(run, names))

    def _runs(self, experiment: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = []
        token = ""
        while True:
            question = {"experiment_ids": [experiment], "max_results": 1000, "page_token": token}
            page = self._ask("POST", "runs/search", question)
            runs += page.get("runs", [])
            token = page.get("next_page_token", "")
            if not token:
                return runs

    def _run(self, run: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
        info, data = run["info"], run.get("data", {})
        tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
        yield f"inside {names.get(tags.get('mlflow.parentRunId', ''), tags.get('mlflow.parentRunId', 'none'))}"
        yield info["status"]
        if info["status"] != "RUNNING" and not info.get("end_time"):
            yield "ended at no time"
        yield from (f"tag {key}={value}" for key, value in tags.items() if key.startswith("tag") or key in OURS)
        yield from (f"param {param['key']}={param['value']}" for param in data.get("params", []))
        for key in {metric["key"] for metric in data.get("metrics", [])}:
            yield from self._points(info["run_id"], key)
        yield from self._artifacts(info)
        for used in run.get("inputs", {}).get("dataset_inputs", []):
            context = " ".join(tag["value"] for tag in used.get("tags", []))
            yield f"input {used['dataset']['name']} {used['dataset']['digest']} {context}"

    def _points(self, run: str, key: str) -> Iterator[str]:
        for point in self._ask("GET", "metrics/get-history", {"run_id": run, "metric_key": key})["metrics"]:
            value = float(point["value"])
            yield f"metric {key}={value!r} step {int(point.get('step', 0))} at {int(point['timestamp'])}"

    def _artifacts(self, info: dict[str, Any], folder: str = "") -> Iterator[str]:
        asked = {"run_id": info["run_id"], **({"path": folder} if folder else {})}
        for file in self._ask("GET", "artifacts/list", asked).get("files", []):
            if file.get("is_dir"):
                yield from self._artifacts(info, file["path"])
            else:
                yield f"artifact {file['path']} {self._digest(info, file['path'])}"

    def _digest(self, info: dict[str, Any], path: str) -> str:
        place = f"{info['experiment_id']}/{info['run_id']}/artifacts/{path}"
        body = self.transport.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{quote(place)}").body
        return hashlib.sha256(body if isinstance(body, bytes) else body.read_bytes()).hexdigest()

    def _ask(self, method: str, tail: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.transport.send(method, f"/api/2.0/mlflow/{tail}", body)
        if answer.status == 404:
            return {}
        if answer.status != 200:
            raise RuntimeError(f"{tail} answered {answer.status}: {answer.body!r}")
        return answer.body

    def wait(self, seconds: float) -> None:
        """Return when the server is there. `TimeoutError`: it is not, after so many seconds."""
        from fitscribe.errors import TransportError

        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.transport.send("GET", "/health").status == 200:
                    return
            except TransportError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no server after {seconds} s")
            time.sleep(0.25)


def difference(found: State, allowed: list[State]) -> list[str]:
    """Return how the state differs from the nearest of those that are allowed, as lines to read; none if it does not.

    `-` is lost, `+` is there and must not be, `N x` is there too often.
    """
    nearest = min(allowed, key=lambda each: ((each - found) + (found - each)).total())
    lost, odd = nearest - found, found - nearest
    lines = [f"- {line}" for line in sorted(lost)]
    return lines + [f"{f'{found[line]} x' if line in nearest else '+'} {line}" for line in sorted(odd)]
