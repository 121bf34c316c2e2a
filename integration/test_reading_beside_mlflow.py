"""What MLflow's own client wrote to its own server, read by both clients: the same."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pandas.testing
import pytest

from fitscribe import artifacts, config
from fitscribe.client import Client
from fitscribe.entities import PagedList
from fitscribe.errors import FilterError, FitscribeError, NotFoundError, ServerError
from fitscribe.reading import endpoint, frames

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def mlflow(mlflow_server: str) -> Iterator[Any]:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        import mlflow

        mlflow.set_tracking_uri(mlflow_server)
        yield mlflow
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def written(mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Two experiments: one with a plain, a nested, a failed and a deleted run, one with a single open run."""
    one = mlflow.create_experiment("reading one", tags={"team": "a", "note": "b c"})
    two = mlflow.create_experiment("reading two")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow.start_run(experiment_id=one, run_name="parent", description="über") as parent:
            fill(mlflow, tmp_path_factory.mktemp("files"))
            with mlflow.start_run(experiment_id=one, nested=True, run_name="child") as child:
                mlflow.log_params({"depth": 3, "only here": "x"})
        with pytest.raises(ZeroDivisionError), mlflow.start_run(experiment_id=one) as failed:
            raise ZeroDivisionError
        with mlflow.start_run(experiment_id=one, run_name="gone") as gone:
            mlflow.log_metric("acc", 0.1)
        mlflow.delete_run(gone.info.run_id)
        waiting = mlflow.MlflowClient().create_run(two, start_time=1_700_000_000_123, tags={"k": "v"})
    ids = [run.info.run_id for run in (parent, child, failed, gone, waiting)]
    return SimpleNamespace(one=one, two=two, runs=ids, parent=ids[0], waiting=ids[-1])


def fill(mlflow: Any, folder: Path) -> None:
    mlflow.log_params({"depth": 2, "kernel": "rbf", "long": "x" * 500, "empty": ""})
    mlflow.set_tags({"team/sub": "a", "with space": "ü"})
    for step in range(5):
        mlflow.log_metrics({"acc": step / 7, "val/loss": -step * 1e-12}, step=step)
    mlflow.log_metric("nan", math.nan)
    mlflow.log_metric("inf", math.inf, step=-3)
    for path, content in {
        "a.txt": b"a",
        "d/b.bin": bytes(range(256)),
        "d/e/sp \xe9.json": b'{"x": 1}',
        "d/e/0": b"",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    mlflow.log_artifacts(str(folder))
    mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2], "y": ["a", None]}), name="table"), "train")


@pytest.fixture(scope="module")
def client(mlflow_server: str) -> Iterator[Client]:
    config.configure(tracking_uri=mlflow_server)
    yield Client()
    endpoint.close_transports()
    config.configure(tracking_uri=None)


@pytest.fixture(autouse=True)
def pointed(alone: None, mlflow_server: str) -> None:
    """What is said without naming an endpoint goes to the server, for each test anew."""
    config.configure(tracking_uri=mlflow_server)


@pytest.fixture(scope="module")
def theirs(mlflow: Any) -> Any:
    return mlflow.MlflowClient()


def plain(entity: Any) -> Any:
    """An entity of either side as dicts and lists of its public attributes, NaN as text."""
    if isinstance(entity, float) and math.isnan(entity):
        return "NaN"
    if isinstance(entity, list):
        return [plain(one) for one in entity]
    if isinstance(entity, dict):
        return {key: plain(value) for key, value in entity.items()}
    if hasattr(entity, "to_dictionary") or hasattr(entity, "_properties"):
        return {name: plain(value) for name, value in entity}
    return entity


def same(ours: Any, theirs: Any) -> None:
    """Compare what MLflow's entity has, attribute by attribute."""
    mine, others = plain(ours), plain(theirs)
    unknown = {"trace_location", "effective_trace_archival_retention"}  # of traces, which we do not record
    pick = lambda one: {k: v for k, v in one.items() if k not in unknown} if isinstance(one, dict) else one  # noqa: E731
    assert pick(mine) == pick(others)


def test_runs_are_the_same_attribute_by_attribute(client, theirs, written):
    for run_id in written.runs:
        same(client.get_run(run_id), theirs.get_run(run_id))
        assert plain(client.get_run(run_id).to_dictionary()) == plain(theirs.get_run(run_id).to_dictionary())
    assert client.get_run(written.parent).inputs.dataset_inputs[0].dataset.name == "table"


def test_parents_are_the_same(client, theirs, written):
    same(client.get_parent_run(written.runs[1]), theirs.get_parent_run(written.runs[1]))
    assert (client.get_parent_run(written.parent), theirs.get_parent_run(written.parent)) == (None, None)


def test_experiments_are_the_same(client, theirs, written):
    for experiment_id in (written.one, written.two, "0"):
        same(client.get_experiment(experiment_id), theirs.get_experiment(experiment_id))
    same(client.get_experiment_by_name("reading one"), theirs.get_experiment_by_name("reading one"))
    assert (client.get_experiment_by_name("never"), theirs.get_experiment_by_name("never")) == (None, None)
    how = {"filter_string": "name LIKE 'reading%'", "order_by": ["name DESC"], "max_results": 1}
    ours, others = client.search_experiments(**how), theirs.search_experiments(**how)
    assert isinstance(ours, PagedList)
    assert (plain(ours)[0]["name"], ours.token) == (plain(others)[0]["name"], others.token)


SEARCHES = [
    {},
    {"filter_string": "metrics.acc > 0.5 AND params.depth = '2'"},
    {"filter_string": "tags.mlflow.parentRunId IS NULL"},
    {"filter_string": "metrics.`val/loss` <= 0", "order_by": ["attributes.run_name DESC"]},
    {"run_view_type": 2},
    {"run_view_type": 3, "order_by": ["metrics.acc DESC", "start_time ASC"]},
    {"filter_string": "params.depth = 'nothing like it'"},
]


@pytest.mark.parametrize("how", SEARCHES)
def test_frames_are_equal(client, mlflow, written, how):
    ids = [written.one, written.two]
    ours, others = frames.search_runs(ids, **how), mlflow.search_runs(ids, **how)
    first = [name for name in others.columns if "." not in name]
    assert list(ours.columns[: len(first)]) == first
    kinds = [[name.partition(".")[0] for name in frame.columns if "." in name] for frame in (ours, others)]
    assert kinds[0] == kinds[1]
    # MLflow's order within metrics, params and tags changes from process to process (it walks sets)
    pandas.testing.assert_frame_equal(ours[others.columns], others)


def test_names_all_experiments_and_lists_are_equal(client, mlflow, written):
    for how in ({"experiment_names": ["reading one", "never"]}, {"search_all_experiments": True}):
        others = mlflow.search_runs(**how)
        pandas.testing.assert_frame_equal(frames.search_runs(**how)[others.columns], others)
    ours = frames.search_runs([written.one], output_format="list", max_results=2)
    others = mlflow.search_runs([written.one], output_format="list", max_results=2)
    assert len(ours) == 2
    assert plain(ours) == plain(others)


def test_pages_meet_without_gap_or_overlap(client, theirs, written):
    token, seen, others = None, [], []
    for _ in range(3):
        page = client.search_runs([written.one], run_view_type=3, max_results=2, page_token=token)
        others += [r.info.run_id for r in theirs.search_runs([written.one], "", 3, 2, page_token=token)]
        seen += [run.info.run_id for run in page]
        token = page.token
        if token is None:
            break
    assert seen == others
    assert sorted(seen) == sorted(written.runs[:4])


def test_histories_are_the_same(client, theirs, written):
    for key in ("acc", "val/loss", "nan", "inf", "never"):
        assert plain(client.get_metric_history(written.parent, key)) == plain(
            theirs.get_metric_history(written.parent, key)
        )
    assert len(client.get_metric_history(written.parent, "acc")) == 5


def test_listings_are_the_same(client, theirs, written):
    for path in (None, "d", "d/e", "a.txt", "never"):
        ours, others = (
            plain(client.list_artifacts(written.parent, path)),
            plain(theirs.list_artifacts(written.parent, path)),
        )
        for file in others:  # an empty file has no size in the protocol; MLflow shows None, we show 0
            file["file_size"] = 0 if file["file_size"] is None and not file["is_dir"] else file["file_size"]
        assert ours == others


def tree(place: str) -> Any:
    root = Path(place)
    if root.is_file():
        return root.name, root.read_bytes()
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize("path", ["a.txt", "d", "d/e", "d/e/sp \xe9.json", "d/e/0", ""])
def test_downloads_are_the_same_bytes_in_the_same_places(client, theirs, written, tmp_path, path):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours = client.download_artifacts(written.parent, path, str(tmp_path / "ours"))
    others = theirs.download_artifacts(written.parent, path, str(tmp_path / "theirs"))
    assert tree(ours) == tree(others)
    assert Path(ours).relative_to(tmp_path / "ours") == Path(others).relative_to(tmp_path / "theirs")
    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")
    assert tree(client.download_artifacts(written.parent, path)) == tree(others)


def test_addresses_lead_to_the_same_files(client, mlflow, written):
    uri = client.get_run(written.parent).info.artifact_uri
    for address in (f"runs:/{written.parent}/d/e/sp \xe9.json", f"{uri}/d/e/sp \xe9.json"):
        assert artifacts.load_dict(address) == mlflow.artifacts.load_dict(address) == {"x": 1}
    assert artifacts.load_text(f"{uri}/a.txt") == mlflow.artifacts.load_text(f"{uri}/a.txt") == "a"


def test_changes_are_seen_by_both(client, theirs, written):
    made = client.create_experiment("reading three", tags={"n": 1})
    client.set_experiment_tag(made, "k", "v")
    client.rename_experiment(made, "reading four")
    same(client.get_experiment(made), theirs.get_experiment(made))
    assert theirs.get_experiment(made).tags == {"n": "1", "k": "v"}
    client.delete_experiment_tag(made, "k")
    client.delete_experiment(made)
    assert theirs.get_experiment(made).lifecycle_stage == "deleted"
    client.restore_experiment(made)
    assert (theirs.get_experiment(made).lifecycle_stage, theirs.get_experiment(made).tags) == ("active", {"n": "1"})


def test_changes_of_runs_are_seen_by_both(client, theirs, written):
    run_id = theirs.create_run(written.two, tags={"k": "v"}).info.run_id
    client.delete_tag(run_id, "k")
    theirs.set_terminated(run_id, "FINISHED")
    ended = theirs.get_run(run_id).info.end_time
    client.update_run(run_id, status="FAILED", name="renamed")
    info = theirs.get_run(run_id).info
    assert (info.status, info.run_name, info.end_time) == ("FAILED", "renamed", ended)
    client.delete_run(run_id)
    assert theirs.get_run(run_id).info.lifecycle_stage == "deleted"
    client.restore_run(run_id)
    same(client.get_run(run_id), theirs.get_run(run_id))
    client.delete_run(run_id)


def test_errors_have_their_kind_and_the_server_s_words(client, written, mlflow_server):
    for wrong, kind, words in (
        (lambda: client.get_run("0" * 32), NotFoundError, "0" * 32),
        (lambda: client.get_experiment("987654"), NotFoundError, "987654"),
        (lambda: client.delete_tag(written.parent, "never"), NotFoundError, "never"),
        (lambda: client.download_artifacts(written.parent, "never"), NotFoundError, "never"),
        (lambda: client.search_runs([written.one], "metrics.acc >> 1"), FilterError, ">>"),
        (lambda: client.search_runs([written.one], order_by=["metrics.acc UP"]), FilterError, "UP"),
        (lambda: client.create_experiment("reading one"), ServerError, "already exists"),
        (lambda: Client(mlflow_server + "/ml").get_run(written.parent), ServerError, "does not look like a tracking"),
    ):
        with pytest.raises(FitscribeError) as raised:
            wrong()
        assert (type(raised.value), words in str(raised.value)) == (kind, True), raised.value
