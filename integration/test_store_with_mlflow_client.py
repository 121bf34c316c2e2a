"""The embedded store behind a plain HTTP server, used by the real MLflow client."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fitscribe.store import Store

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow", "ignore::DeprecationWarning", "ignore::FutureWarning")


class Adapter(BaseHTTPRequestHandler):
    """Feeds HTTP requests to the store of its server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        parts = urlsplit(self.path)
        content = b"".join(self.chunks()) or self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body: Any = content
        if self.command == "GET":
            body = parse_qs(parts.query, keep_blank_values=True)
        elif self.command != "PUT":
            body = json.loads(content) if content else None
        status, said = self.server.store.handle(self.command, parts.path, body)
        self.reply(status, said.read_bytes() if isinstance(said, Path) else said)

    def chunks(self) -> Iterator[bytes]:
        """Read a body in chunks, as an empty file is sent."""
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            yield self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return

    def reply(self, status: int, said: Any) -> None:
        content = said if isinstance(said, bytes) else json.dumps(said, allow_nan=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if isinstance(said, dict) else "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A loopback server for one store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Adapter)
        self.store = Store(folder)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "store") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    server.store.close()


@pytest.fixture
def client(server, monkeypatch) -> Iterator[Any]:
    """The real client; the fluent API speaks to the same server."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://127.0.0.1:{server.server_port}"
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient(uri)
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.tracking.fluent._active_experiment_id = None


def test_a_run_of_the_fluent_api_reads_back(client):
    experiment = mlflow.set_experiment("Übung/1")
    with mlflow.start_run(run_name="first", tags={"team": "a"}, description="what it is") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({f"p{number}": number for number in range(250)})
        mlflow.log_metric("acc", 0.5, step=1)
        mlflow.log_metrics({"val/f1": 1, "loss": float("nan"), "inf": float("inf"), "low": float("-inf")}, step=2)
        mlflow.set_tags({"a b": "c", "mlflow.note.content": "noted"})
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.experiment_id == experiment.experiment_id
    assert found.info.end_time >= found.info.start_time > 1_700_000_000_000
    assert found.data.params == {"lr": "0.1", **{f"p{number}": str(number) for number in range(250)}}
    nan = found.data.metrics.pop("loss")
    assert math.isnan(nan)
    assert found.data.metrics == {"acc": 0.5, "val/f1": 1.0, "inf": math.inf, "low": -math.inf}
    mine = {key: value for key, value in found.data.tags.items() if not key.startswith("mlflow.source")}
    mine.pop("mlflow.user")
    assert mine == {"team": "a", "a b": "c", "mlflow.note.content": "noted", "mlflow.runName": "first"}


def test_a_run_that_fails_says_so_and_can_be_resumed(client):
    run_id = client.create_run("0").info.run_id
    with pytest.raises(ZeroDivisionError), mlflow.start_run(run_id=run_id):
        mlflow.log_metric("a", 1 / 0)
    assert client.get_run(run_id).info.status == "FAILED"
    with mlflow.start_run(run_id=run_id):
        assert client.get_run(run_id).info.status == "RUNNING"
        mlflow.log_metric("a", 2, step=1)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [point.value for point in client.get_metric_history(run_id, "a")] == [2.0]


def test_nested_runs_are_found_by_their_parent(client):
    with mlflow.start_run() as parent:
        children = []
        for number in range(3):
            with mlflow.start_run(nested=True) as child:
                mlflow.log_metric("score", number)
            children.append(child.info.run_id)
    text = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    found = client.search_runs(["0"], text, order_by=["metrics.score DESC"])
    assert [run.info.run_id for run in found] == children[::-1]
    assert mlflow.get_parent_run(children[0]).info.run_id == parent.info.run_id


def test_long_histories_come_back_in_pages(client):
    run_id = client.create_run("0").info.run_id
    points = [mlflow.entities.Metric("a", step / 2, 1000 + step, step) for step in range(26_000)]
    for start in range(0, len(points), 1000):
        client.log_batch(run_id, metrics=points[start : start + 1000])
    client.log_batch(run_id, metrics=points[:1000])
    assert [(each.value, each.timestamp, each.step) for each in client.get_metric_history(run_id, "a")] == [
        (each.value, each.timestamp, each.step) for each in points
    ]
    assert client.get_metric_history(run_id, "nothing") == []


def test_metrics_logged_in_the_background_arrive(client):
    with mlflow.start_run() as run:
        for step in range(1500):
            mlflow.log_metric("a", step, step=step, synchronous=False)
        mlflow.flush_async_logging()
    assert sorted(each.step for each in client.get_metric_history(run.info.run_id, "a")) == list(range(1500))


def test_the_client_understands_refusals(client):
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "lr", 1)
    client.log_param(run_id, "lr", 1)
    refused = mlflow.exceptions.MlflowException
    with pytest.raises(refused, match="Changing param values is not allowed"):
        client.log_param(run_id, "lr", 2)
    with pytest.raises(refused, match="not found"):
        client.get_run("0" * 32)
    with pytest.raises(refused, match="expected one of =, !=, <"):
        client.search_runs(["0"], "metrics.val/f1 = 1")
    with pytest.raises(refused, match="No Experiment with id=99"):
        client.get_experiment("99")
    with pytest.raises(refused, match="already exists"):
        client.create_experiment("Default")
    assert client.get_experiment_by_name("nobody") is None
    client.set_tag(run_id, "a", "b")
    client.delete_tag(run_id, "a")
    with pytest.raises(refused, match="No tag with name: a"):
        client.delete_tag(run_id, "a")


@pytest.mark.parametrize(
    ("text", "order", "found"),
    [
        ("metrics.acc > 0.1 AND params.lr = '0.1'", ["metrics.acc DESC"], "db"),
        ("metrics.`val/f1` >= 2", ["metrics.`val/f1` ASC"], "cd"),
        ("params.lr IS NULL", None, "a"),
        ("params.lr LIKE '0.%' and tags.team ILIKE 'TEAM%'", ["params.lr DESC", "attributes.start_time ASC"], "bdc"),
        ("attributes.run_name != 'a'", ["run_name"], "bcd"),
        ("attributes.status = 'FINISHED'", ["attributes.end_time"], "abcd"),
        ("dataset.name = 'numbers'", None, "d"),
        ("", ["metrics.acc ASC"], "bcda"),
        (None, None, "dcba"),
    ],
)
def test_searches_find_and_sort(client, text, order, found):
    import numpy

    for name, metrics, params in [
        ("a", {}, {}),
        ("b", {"acc": 0.2, "val/f1": 1}, {"lr": "0.1"}),
        ("c", {"acc": 0.3, "val/f1": 2}, {"lr": "0.01"}),
        ("d", {"acc": 0.4, "val/f1": 3}, {"lr": "0.1"}),
    ]:
        with mlflow.start_run(run_name=name, tags={"team": f"team {name}"}):
            mlflow.log_metrics(metrics)
            mlflow.log_params(params)
            if name == "d":
                mlflow.log_input(mlflow.data.from_numpy(numpy.arange(4), name="numbers"), context="train")
    runs = mlflow.search_runs(["0"], text, order_by=order, output_format="list")
    assert "".join(run.info.run_name for run in runs) == found
    pages, token = [], None
    while token != "":
        page = client.search_runs(["0"], text or "", max_results=1, order_by=order, page_token=token)
        pages += [run.info.run_name for run in page]
        token = page.token or ""
    assert "".join(pages) == found


def test_inputs_are_shown_with_their_context(client):
    import pandas

    frame = pandas.DataFrame({"x": [1.0, 2.0], "y": [0.0, 1.0]})
    dataset = mlflow.data.from_pandas(frame, name="table", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="train", tags={"more": "words"})
        mlflow.log_input(dataset, context="train")
    (found,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("table", dataset.digest)
    assert json.loads(found.dataset.profile) == {"num_rows": 2, "num_elements": 4}
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "train", "more": "words"}


def test_artifacts_go_in_and_come_out(client, tmp_path):
    (tmp_path / "up/deep").mkdir(parents=True)
    (tmp_path / "up/deep/é b.txt").write_text("content")
    (tmp_path / "up/empty").touch()
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "up"), "folder")
        mlflow.log_text("words", "note.txt")
        mlflow.log_dict({"a": 1}, "a.json")
    run_id = run.info.run_id
    assert [(each.path, each.is_dir) for each in client.list_artifacts(run_id)] == [
        ("a.json", False),
        ("folder", True),
        ("note.txt", False),
    ]
    down = Path(client.download_artifacts(run_id, "folder", str(tmp_path)))
    assert (down / "deep/é b.txt").read_text() == "content"
    assert (down / "empty").read_bytes() == b""
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt") == "words"


def test_artifacts_go_through_the_server_as_well(client, server, tmp_path):
    """As they do where a server's artifact URIs begin with mlflow-artifacts:."""
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    run_id = client.create_run("0").info.run_id
    repository = MlflowArtifactsRepository(f"mlflow-artifacts:/0/{run_id}/artifacts")
    (tmp_path / "up/deep").mkdir(parents=True)
    (tmp_path / "up/deep/é b.txt").write_bytes(b"\x00content")
    (tmp_path / "up/empty").touch()
    repository.log_artifacts(str(tmp_path / "up"))
    assert [(each.path, each.is_dir) for each in repository.list_artifacts()] == [("deep", True), ("empty", False)]
    down = Path(repository.download_artifacts("", str(tmp_path)))
    assert (down / "deep/é b.txt").read_bytes() == b"\x00content"
    assert (down / "empty").read_bytes() == b""
    repository.delete_artifacts("deep")
    assert [each.path for each in repository.list_artifacts()] == ["empty"]


def test_runs_and_experiments_are_deleted_restored_renamed_and_tagged(client):
    made = client.create_experiment("one", tags={"team": "a"})
    run_id = client.create_run(made).info.run_id
    client.delete_run(run_id)
    assert client.search_runs([made]) == []
    (deleted,) = client.search_runs([made], run_view_type=mlflow.entities.ViewType.DELETED_ONLY)
    assert deleted.info.lifecycle_stage == "deleted"
    client.restore_run(run_id)
    assert len(client.search_runs([made])) == 1
    client.rename_experiment(made, "uno")
    client.set_experiment_tag(made, "owner", "me")
    client.delete_experiment_tag(made, "team")
    assert client.get_experiment(made).tags == {"owner": "me"}
    client.update_run(run_id, status="KILLED", name="renamed")
    assert (client.get_run(run_id).info.status, client.get_run(run_id).info.run_name) == ("KILLED", "renamed")
    client.delete_experiment(made)
    assert [each.name for each in client.search_experiments()] == ["Default"]
    with pytest.raises(mlflow.exceptions.MlflowException, match="deleted"):
        mlflow.set_experiment("uno")
    client.restore_experiment(made)
    assert [each.name for each in client.search_experiments(filter_string="tags.owner = 'me'")] == ["uno"]
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_autologging_of_scikit_learn_ends_its_run(client):
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        LogisticRegression(max_iter=200).fit(*load_iris(return_X_y=True))
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    (run,) = client.search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert run.data.params["max_iter"] == "200"
    assert 0.9 < run.data.metrics["training_accuracy_score"] <= 1
    assert "estimator.html" in [each.path for each in client.list_artifacts(run.info.run_id)]
