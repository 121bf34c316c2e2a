"""The models of a fake endpoint: logged models and versions of registered ones, each with an id of the endpoint's own.

Nothing here is idempotent: what is made twice is there twice, and a run that is said twice to have made a model is
refused in the words of a database, as by real servers.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["Shelf"]

Result = tuple[int, Any]
POINT = ("key", "timestamp", "step")
TWICE = "(sqlite3.IntegrityError) UNIQUE constraint failed: inputs.source_type, inputs.source_id"


def refused(message: str, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> Result:
    """Return an error answer of the protocol."""
    return status, {"error_code": code, "message": message}


class Shelf:
    """`handle` answers a request about models, or None if it is about something else."""

    def __init__(self, root: str) -> None:
        """`root` is what artifact URIs begin with."""
        self.root = root
        self.models: dict[str, dict[str, Any]] = {}  # by id, each with info and data as the protocol shows them
        self.outputs: dict[str, list[str]] = {}  # by run
        self.registered: dict[str, list[dict[str, Any]]] = {}  # by name, the versions

    def handle(self, method: str, tail: str, body: dict[str, Any]) -> Result | None:
        """Answer a request; `tail` is its path behind `mlflow/`."""
        parts = tail.split("/")
        if parts[0] == "logged-models" and len(parts) > 1 and parts[1] != "search":
            return self._of_model(method, parts[1], parts[2:], body)
        answers = {
            "POST logged-models": self._create,
            "POST logged-models/search": self._search,
            "POST runs/outputs": self._made,
            "POST registered-models/create": self._register,
            "POST model-versions/create": self._version,
            "GET model-versions/search": self._versions,
        }
        answer = answers.get(f"{method} {tail}")
        return answer(body) if answer else None

    def metric(self, run: str, item: dict[str, Any]) -> None:
        """Take a metric point; one of a model is the model's as well."""
        if found := self.models.get(item.get("model_id", "")):
            points = found["data"].setdefault("metrics", [])
            same = [each for each in points if all(each[name] == item.get(name, 0) for name in POINT)]
            if not same:
                points.append({"step": 0, **item, "run_id": run})

    def _create(self, body: dict[str, Any]) -> Result:
        if re.search(r"[/:.%\"']", body["name"]):
            return refused("Invalid model name")
        number = len(self.models) + 1
        model, experiment = f"m-{number:032x}", body["experiment_id"]
        said: dict[str, Any] = {
            name: body[name]
            for name in ("experiment_id", "name", "model_type", "source_run_id", "tags")
            if name in body
        }
        uri = f"{self.root}/{experiment}/models/{model}/artifacts"
        info: dict[str, Any] = {"model_id": model, "artifact_uri": uri, "status": "LOGGED_MODEL_PENDING", **said}
        info["creation_timestamp_ms"] = number
        data: dict[str, Any] = {"params": list(body.get("params", []))}
        self.models[model] = {"info": info, "data": data}
        return 200, {"model": self.models[model]}

    def _search(self, body: dict[str, Any]) -> Result:
        wanted = re.fullmatch(r"tags\.`([\w.]+)` = '([\w-]+)'", body["filter"])
        if not wanted:
            return refused("the fake endpoint knows no filter but tags.`key` = 'value'")
        tag = {"key": wanted[1], "value": wanted[2]}
        found = [each for each in self.models.values() if tag in each["info"].get("tags", [])]
        answer: dict[str, Any] = {"models": found[::-1]} if found else {}
        return 200, answer

    def _made(self, body: dict[str, Any]) -> Result:
        made = self.outputs.setdefault(body["run_id"], [])
        for each in body["models"]:
            if each["model_id"] in made:
                return refused(TWICE, "BAD_REQUEST")
            made.append(each["model_id"])
        return 200, {}

    def _of_model(self, method: str, model: str, rest: list[str], body: dict[str, Any]) -> Result:
        found = self.models.get(model)
        if found is None:
            return refused(f"Logged model with ID '{model}' not found.", "RESOURCE_DOES_NOT_EXIST", 404)
        if method == "PATCH" and not rest:
            found["info"]["status"] = body["status"]
        elif rest == ["params"]:
            found["data"]["params"] += body["params"]
        answer: dict[str, Any] = {} if rest else {"model": found}
        return 200, answer

    def _register(self, body: dict[str, Any]) -> Result:
        if body["name"] in self.registered:
            return refused("it already exists", "RESOURCE_ALREADY_EXISTS")
        self.registered[body["name"]] = []
        return 200, {"registered_model": body}

    def _version(self, body: dict[str, Any]) -> Result:
        if body["name"] not in self.registered:
            return refused(f"Registered Model with name={body['name']} not found", "RESOURCE_DOES_NOT_EXIST", 404)
        versions = self.registered[body["name"]]
        versions.append({**body, "version": str(len(versions) + 1)})
        return 200, {"model_version": versions[-1]}

    def _versions(self, body: dict[str, Any]) -> Result:
        found = re.fullmatch(r"name = ['\"](.*)['\"]", body["filter"])
        return 200, {"model_versions": self.registered.get(found[1] if found else "", [])}
