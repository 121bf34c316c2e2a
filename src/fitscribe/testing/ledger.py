"""What a fake endpoint keeps: experiments, runs and artifacts in plain dicts, by the rules that clients rely on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from fitscribe.testing.shelf import Result, Shelf

__all__ = ["Ledger", "LedgerRun"]

GOOD_KEY = re.compile(r"[/\w.\- :]{1,250}")
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


class LedgerRun(msgspec.Struct):
    """A run as the fake endpoint has it; `points` are the (value, timestamp, step) of each metric, in order."""

    run_id: str
    experiment_id: str
    run_name: str = ""
    status: str = "RUNNING"
    start_time: int = 0
    end_time: int = 0
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    points: dict[str, list[tuple[Any, int, int]]] = {}
    seen: set[tuple[str, tuple[Any, int, int]]] = set()  # a point that comes again is the same point
    inputs: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []


def _refuse(message: str, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> Result:
    return status, {"error_code": code, "message": message}


class Ledger:
    """`handle` answers a request with (status, body); everything else is there to look at."""

    def __init__(self, artifacts: str) -> None:
        """`artifacts` is the root that artifact URIs begin with."""
        self.root = artifacts
        self.experiments = {"0": "Default"}
        self.deleted: set[str] = set()  # experiment ids and run ids
        self.runs: dict[str, LedgerRun] = {}
        self.artifacts: dict[str, bytes] = {}
        self.shelf = Shelf(artifacts)
        self._routes: dict[str, Callable[[dict[str, Any]], Result]] = {
            "GET experiments/get-by-name": self._by_name,
            "POST experiments/create": self._experiment,
            "POST runs/create": self._create,
            "POST runs/search": self._search,
            "GET runs/get": self._on_run(lambda run, _: {"run": self._shown(run)}),
            "POST runs/update": self._on_run(_update),
            "POST runs/delete": self._on_run(lambda run, _: self.deleted.add(run.run_id)),
            "GET artifacts/list": self._on_run(self._list),
            "POST runs/log-batch": self._on_run(self._batch),
            "POST runs/log-metric": self._on_run(lambda run, body: _log_batch(run, {"metrics": [body]})),
            "POST runs/log-parameter": self._on_run(lambda run, body: _log_batch(run, {"params": [body]})),
            "POST runs/set-tag": self._on_run(lambda run, body: _log_batch(run, {"tags": [body]})),
            "POST runs/delete-tag": self._on_run(_delete_tag),
            "POST runs/log-inputs": self._on_run(lambda run, body: run.inputs.extend(body["datasets"])),
            "POST runs/log-model": self._on_run(lambda run, body: run.models.append(body)),
        }

    def handle(self, method: str, path: str, body: Any) -> Result:
        """Answer one request."""
        if f"{method} {path}/" == f"GET {ARTIFACTS}":
            return 200, {"files": self._below(str((body or {}).get("path", "")))}
        if path.startswith(ARTIFACTS):
            return self._artifact(method, path.removeprefix(ARTIFACTS), body)
        tail = path.removeprefix("/api/2.0/mlflow/")
        if answer := self.shelf.handle(method, tail, body or {}):
            return answer
        route = self._routes.get(f"{method} {tail}")
        if route is None:
            return _refuse(f"nothing at {method} {path}", "ENDPOINT_NOT_FOUND", 404)
        return route(body or {})

    def named(self, name: str) -> LedgerRun:
        """Return the one run with this name; `ValueError` when there is none, or more."""
        (found,) = [run for run in self.runs.values() if run.run_name == name]
        return found

    def _artifact(self, method: str, path: str, body: Any) -> Result:
        if method == "PUT":
            self.artifacts[path] = body or b""
            return 200, b""
        if method == "DELETE":
            self.artifacts.pop(path, None)
            return 200, b""
        return (200, self.artifacts[path]) if path in self.artifacts else _refuse(path, "RESOURCE_DOES_NOT_EXIST", 404)

    def _below(self, folder: str) -> list[dict[str, Any]]:
        """Return what lies in a folder of the artifacts: names in it, as a server with a proxy tells of them."""
        root = f"{folder}/".lstrip("/")
        inside = {path.removeprefix(root): len(each) for path, each in self.artifacts.items() if path.startswith(root)}
        folders = {name.partition("/")[0] for name in inside if "/" in name}
        files = [{"path": name, "is_dir": False, "file_size": size} for name, size in inside.items() if "/" not in name]
        return [*files, *({"path": name, "is_dir": True} for name in sorted(folders))]

    def _by_name(self, body: dict[str, Any]) -> Result:
        for found, name in self.experiments.items():
            if name == body["experiment_name"]:
                stage = "deleted" if found in self.deleted else "active"
                return 200, {"experiment": {"experiment_id": found, "name": name, "lifecycle_stage": stage}}
        return _refuse("no such experiment", "RESOURCE_DOES_NOT_EXIST", 404)

    def _experiment(self, body: dict[str, Any]) -> Result:
        if body["name"] in self.experiments.values():
            return _refuse("the name is taken", "RESOURCE_ALREADY_EXISTS")
        found = str(len(self.experiments))
        self.experiments[found] = body["name"]
        return 200, {"experiment_id": found}

    def _create(self, body: dict[str, Any]) -> Result:
        if body.get("experiment_id") not in self.experiments:
            return _refuse("no such experiment", "RESOURCE_DOES_NOT_EXIST", 404)
        if any(not GOOD_KEY.fullmatch(tag["key"]) for tag in body.get("tags", [])):
            return _refuse("bad tag key")
        number = len(self.runs) + 1
        tags = {tag["key"]: tag["value"] for tag in body.get("tags", [])}
        name = body.get("run_name") or tags.get("mlflow.runName") or f"quick-owl-{number}"
        run = LedgerRun(f"{number:032x}", body["experiment_id"], name, start_time=body.get("start_time", 0), tags=tags)
        run.tags.setdefault("mlflow.runName", name)
        self.runs[run.run_id] = run
        return 200, {"run": self._shown(run)}

    def _search(self, body: dict[str, Any]) -> Result:
        wanted = re.fullmatch(r"tags\.`?([\w.]+)`? = '(\w+)'", body.get("filter", ""))
        if not wanted:
            return _refuse("the fake endpoint knows no filter but tags.`key` = 'value'")
        found = [
            self._shown(run)
            for run in self.runs.values()
            if run.experiment_id in body["experiment_ids"] and run.tags.get(wanted[1]) == wanted[2]
            if run.run_id not in self.deleted
        ]
        start = int(body.get("page_token") or 0)
        end = start + body["max_results"]
        more = {"next_page_token": str(end)} if len(found) > end else {}
        return 200, {"runs": found[start:end], **more} if found else {}

    def _list(self, run: LedgerRun, body: dict[str, Any]) -> dict[str, Any]:
        root = f"{run.experiment_id}/{run.run_id}/artifacts/"
        folder = f"{body.get('path', '')}/".lstrip("/")
        names = [path.removeprefix(root) for path in self.artifacts if path.startswith(root + folder)]
        return {"files": [{"path": name} for name in names if "/" not in name.removeprefix(folder)]}

    def _batch(self, run: LedgerRun, body: dict[str, Any]) -> None:
        _log_batch(run, body)
        for item in body.get("metrics", []):
            self.shelf.metric(run.run_id, item)

    def _shown(self, run: LedgerRun) -> dict[str, Any]:
        gone = run.run_id in self.deleted
        info = {
            "run_id": run.run_id,
            "experiment_id": run.experiment_id,
            "run_name": run.run_name,
            "status": run.status,
            "end_time": run.end_time,
            "artifact_uri": f"{self.root}/{run.experiment_id}/{run.run_id}/artifacts",
            "lifecycle_stage": "deleted" if gone else "active",
            "start_time": run.start_time,
        }
        last = {key: points[-1] for key, points in run.points.items()}
        data = {
            "tags": [{"key": k, "value": v} for k, v in run.tags.items()],
            "params": [{"key": k, "value": v} for k, v in run.params.items()],
            "metrics": [{"key": k, "value": v, "timestamp": at, "step": step} for k, (v, at, step) in last.items()],
        }
        made = [{"model_id": model} for model in self.shelf.outputs.get(run.run_id, [])]
        return {
            "info": info,
            "data": data,
            "inputs": {"dataset_inputs": run.inputs},
            "outputs": {"model_outputs": made} if made else {},
        }

    def _on_run(self, work: Callable[[LedgerRun, dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Result]:
        def route(body: dict[str, Any]) -> Result:
            run = self.runs.get(str(body.get("run_id")))
            if run is None:
                return _refuse(f"Run '{body.get('run_id')}' not found", "RESOURCE_DOES_NOT_EXIST", 404)
            if run.run_id in self.deleted and work in (_log_batch, self._batch):
                return _refuse(f"The run {run.run_id} must be in the 'active' state")
            if work is _delete_tag and body["key"] not in run.tags:
                return _refuse(f"No tag with name: {body['key']}", "RESOURCE_DOES_NOT_EXIST", 404)
            try:
                return 200, work(run, body) or {}
            except LookupError as error:
                return _refuse(str(error.args[0]))

        return route


def _update(run: LedgerRun, body: dict[str, Any]) -> None:
    for name in ("status", "end_time", "run_name"):
        if name in body:
            setattr(run, name, body[name])


def _delete_tag(run: LedgerRun, body: dict[str, Any]) -> None:
    del run.tags[body["key"]]


def _log_batch(run: LedgerRun, body: dict[str, Any]) -> None:
    """Check every item before the first is written, as real servers do."""
    metrics, params, tags = (body.get(kind, []) for kind in ("metrics", "params", "tags"))
    if len(metrics) > 1000 or len(params) > 100 or len(tags) > 100 or len(metrics) + len(params) + len(tags) > 1000:
        raise LookupError("a batch over the limits")
    for item in (*metrics, *params, *tags):
        if not GOOD_KEY.fullmatch(item["key"]):
            raise LookupError(f"Invalid name: '{item['key']}'")
    for item in params:
        if run.params.get(item["key"], item["value"]) != item["value"]:
            raise LookupError(f"Changing param values is not allowed: '{item['key']}'")
    run.params.update({item["key"]: item["value"] for item in params})
    run.tags.update({item["key"]: item["value"] for item in tags})
    for item in metrics:
        point = (item["value"], item["timestamp"], item.get("step", 0))
        if (item["key"], point) not in run.seen:
            run.seen.add((item["key"], point))
            run.points.setdefault(item["key"], []).append(point)
