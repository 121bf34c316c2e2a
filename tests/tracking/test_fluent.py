"""By hand: what is logged is found again, exactly; what cannot be recorded raises at once and harms nothing else."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fitscribe
from fitscribe import config, delivery
from fitscribe.active import handle_of
from fitscribe.current import current, entered
from fitscribe.errors import (
    FilterError,
    MissingFile,
    MisuseError,
    NotBuiltYet,
    NotFoundError,
    ParamConflict,
    ServerError,
    TransportError,
)
from fitscribe.run import Run
from fitscribe.testing.endpoint import Endpoint


def found(run=None):
    """The run as the store has it."""
    return fitscribe.get_run((run or fitscribe.active_run()).info.run_id)


# the main road


def test_three_calls_without_ceremony_make_a_run():
    fitscribe.log_param("depth", 3)
    fitscribe.log_metric("loss", 0.5)
    Path("notes.txt").write_text("kept as it was")
    fitscribe.log_artifact("notes.txt")
    Path("notes.txt").write_text("changed")
    run = fitscribe.active_run()
    fitscribe.end_run()
    again = found(run)
    assert again.data.params == {"depth": "3"}
    assert again.data.metrics == {"loss": 0.5}
    assert again.info.status == "FINISHED"
    kept = fitscribe.download_artifacts(run_id=again.info.run_id, artifact_path="notes.txt")
    assert Path(kept).read_text() == "kept as it was"
    assert Path(kept).is_relative_to(Path(".fitscribe").resolve())


def test_a_run_has_what_start_run_was_told():
    with fitscribe.start_run(run_name="mine", tags={"team": "blue"}, description="why") as run:
        assert fitscribe.active_run() is run
        assert run.info.run_name == "mine"
        assert run.info.status == "RUNNING"
    assert fitscribe.active_run() is None
    again = found(run)
    assert again.info.run_name == "mine"
    assert again.info.end_time >= again.info.start_time
    assert again.data.tags["team"] == "blue"
    assert again.data.tags["mlflow.note.content"] == "why"
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type"} <= again.data.tags.keys()
    assert run.to_dictionary()["info"]["run_id"] == run.info.run_id
    assert fitscribe.last_active_run().info.run_id == run.info.run_id


def test_metrics_keep_steps_times_and_what_is_no_number_to_json():
    with fitscribe.start_run() as run:
        for step, value in enumerate([1.0, math.nan, math.inf, -math.inf]):
            fitscribe.log_metric("odd", value, step=step, timestamp=1_700_000_000_000 + step)
        fitscribe.log_metrics({"a": 1, "b": 2.5}, step=-3)
    points = fitscribe.get_metric_history(run.info.run_id, "odd")
    assert [(p.step, p.timestamp - 1_700_000_000_000) for p in points] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert math.isnan(points[1].value)
    assert [points[0].value, *(p.value for p in points[2:])] == [1.0, math.inf, -math.inf]
    assert [(p.step, p.value) for p in fitscribe.get_metric_history(run.info.run_id, "b")] == [(-3, 2.5)]


def test_an_exception_fails_the_run_and_ctrl_c_kills_it():
    with pytest.raises(RuntimeError, match="mine"), fitscribe.start_run() as failed:
        raise RuntimeError("mine")
    with pytest.raises(KeyboardInterrupt), fitscribe.start_run() as killed:
        raise KeyboardInterrupt
    assert [found(failed).info.status, found(killed).info.status] == ["FAILED", "KILLED"]


def test_nested_runs_know_their_parent():
    with fitscribe.start_run() as outer:
        with fitscribe.start_run(nested=True) as inner:
            fitscribe.log_param("a", 1)
        fitscribe.log_param("a", 2)
        with pytest.raises(MisuseError, match=r"still under way; end it with end_run\(\), or write start_run\(nested"):
            fitscribe.start_run()
    assert found(inner).data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert [found(run).data.params["a"] for run in (outer, inner)] == ["2", "1"]
    [child] = fitscribe.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{outer.info.run_id}'", output_format="list"
    )
    assert child.info.run_id == inner.info.run_id


def test_a_fit_that_opens_a_run_is_not_refused_for_the_run_of_its_autologging():
    fitscribe.set_tracking_uri("store")
    delivery.connect()
    outer = Run.start("a fit under autologging")
    with entered(outer):
        with fitscribe.start_run() as inner:
            fitscribe.log_metric("loss", 1.0)
            with pytest.raises(MisuseError, match="still under way"):
                fitscribe.start_run()
        assert current() is outer
    outer.end()
    assert found(inner).data.metrics == {"loss": 1.0}
    assert found(inner).data.tags["mlflow.parentRunId"] == found(handle_of(outer)).info.run_id


def test_a_run_is_taken_up_again_by_its_id():
    with fitscribe.start_run() as run:
        fitscribe.log_param("a", 1)
    with fitscribe.start_run(run_id=run.info.run_id) as again:
        assert again.info.run_id == run.info.run_id
        assert found(run).info.status == "RUNNING"
        fitscribe.log_param("a", 1)
        fitscribe.log_param("b", 2)
        with pytest.raises(ParamConflict, match="the param 'a' of this run is '1' and cannot become '3'"):
            fitscribe.log_param("a", 3)
    assert found(run).data.params == {"a": "1", "b": "2"}
    assert found(run).info.status == "FINISHED"


def test_two_servers_that_use_the_same_ids_keep_their_runs_apart():
    with Endpoint() as one, Endpoint() as other:  # each calls its first run by the same id
        for endpoint in (one, other):
            fitscribe.set_tracking_uri(endpoint.uri)
            with fitscribe.start_run() as run:
                pass
            with fitscribe.start_run(run_id=run.info.run_id):
                fitscribe.log_metric("loss", 1.0)
        assert fitscribe.flush(30)
        for endpoint in (one, other):
            (there,) = endpoint.ledger.runs.values()
            assert there.status == "FINISHED"
            assert len(there.points["loss"]) == 1


def test_the_run_id_of_the_environment_is_used_once(monkeypatch):
    with fitscribe.start_run() as run:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    config.configure()
    with fitscribe.start_run() as first:
        pass
    with fitscribe.start_run() as second:
        pass
    assert first.info.run_id == run.info.run_id
    assert second.info.run_id != run.info.run_id


def test_experiments_are_made_by_being_named():
    chosen = fitscribe.set_experiment("trees")
    with fitscribe.start_run() as run:
        pass
    assert found(run).info.experiment_id == chosen.experiment_id
    assert fitscribe.get_experiment_by_name("trees").experiment_id == chosen.experiment_id
    assert fitscribe.get_experiment_by_name("forests") is None
    other = fitscribe.create_experiment("forests", tags={"a": "b"})
    fitscribe.set_experiment_tag("kind", "wood")
    assert fitscribe.get_experiment(chosen.experiment_id).tags == {"kind": "wood"}
    with fitscribe.start_run(experiment_id=other) as elsewhere:
        pass
    assert found(elsewhere).info.experiment_id == other
    assert {each.name for each in fitscribe.search_experiments()} == {"Default", "trees", "forests"}
    fitscribe.delete_experiment(other)
    assert {each.name for each in fitscribe.search_experiments()} == {"Default", "trees"}


def test_tags_are_changed_and_taken_away():
    with fitscribe.start_run() as run:
        fitscribe.set_tags({"a": 1, "b": "x"})
        fitscribe.set_tag("a", 2)
        fitscribe.delete_tag("b")
        fitscribe.delete_tag("never there")
    tags = found(run).data.tags
    assert tags["a"] == "2"
    assert "b" not in tags


def test_files_of_every_kind():
    Path("folder/deep").mkdir(parents=True)
    Path("folder/a.txt").write_text("a")
    Path("folder/deep/b c é.txt").write_text("b")
    with fitscribe.start_run() as run:
        fitscribe.log_artifacts("folder", "all")
        fitscribe.log_artifact("folder")
        fitscribe.log_text("naïve", "text/t.txt")
        fitscribe.log_dict({"a": [1, None]}, "d.json")
        fitscribe.log_dict({"a": {"b": 1}}, "d.yaml")
        fitscribe.log_table({"a": [1, 2], "b": ["x", "y"]}, "table.json")
        fitscribe.log_table({"a": [3], "c": [True]}, "table.json")
    run_id = run.info.run_id
    root = Path(fitscribe.download_artifacts(run_id=run_id))
    files = sorted(each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_file())
    assert files == [
        "all/a.txt", "all/deep/b c é.txt", "d.json", "d.yaml", "folder/a.txt", "folder/deep/b c é.txt", "table.json",
        "text/t.txt",
    ]  # fmt: skip
    assert (root / "text/t.txt").read_text(encoding="utf-8") == "naïve"
    assert json.loads((root / "d.json").read_text()) == {"a": [1, None]}
    assert (root / "d.yaml").read_text() == "a:\n  b: 1\n"
    table = {"columns": ["a", "b", "c"], "data": [[1, "x", None], [2, "y", None], [3, None, True]]}
    assert json.loads((root / "table.json").read_text()) == table
    listed = [(each.path, each.is_dir) for each in fitscribe.list_artifacts(run_id=run_id, artifact_path="all")]
    assert listed == [("all/a.txt", False), ("all/deep", True)]
    assert fitscribe.artifacts.load_text(f"runs:/{run_id}/text/t.txt") == "naïve"


def test_where_runs_go_is_the_settings_business(tmp_path, monkeypatch):
    assert fitscribe.get_tracking_uri() == (tmp_path / ".fitscribe").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "from mlflow"))
    config.configure()
    assert fitscribe.get_tracking_uri() == (tmp_path / "from mlflow").as_uri()
    monkeypatch.setenv("FITSCRIBE_TRACKING_URI", f"file:{tmp_path}/ours")
    config.configure()
    assert fitscribe.get_tracking_uri() == (tmp_path / "ours").as_uri()
    fitscribe.set_tracking_uri(tmp_path / "told")
    with fitscribe.start_run() as run:
        fitscribe.log_param("a", 1)
    assert (tmp_path / "told" / "fitscribe.db").exists() or found(run)
    assert found(run).info.artifact_uri.startswith((tmp_path / "told").as_uri())
    assert (tmp_path / ".fitscribe" / "journal").is_dir(), "the journal stays in the working directory"
    fitscribe.set_tracking_uri("http://user:secret@127.0.0.1:1")
    assert fitscribe.get_tracking_uri() == "http://127.0.0.1:1", "no password is shown"


def test_the_folder_can_lie_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("FITSCRIBE_DIR", str(tmp_path / "elsewhere"))
    config.configure()
    with fitscribe.start_run() as run:
        pass
    assert found(run).info.artifact_uri.startswith((tmp_path / "elsewhere").as_uri())
    assert not (tmp_path / ".fitscribe").exists()


def test_the_client_writes_by_run_id():
    client = fitscribe.MlflowClient()
    made = client.create_run("0", run_name="by client", tags={"t": "1"}, start_time=1_700_000_000_000)
    run_id = made.info.run_id
    assert (made.info.run_name, made.info.start_time, made.info.status) == ("by client", 1_700_000_000_000, "RUNNING")
    client.log_param(run_id, "a", 1)
    client.log_metric(run_id, "m", 0.5, step=2)
    client.log_batch(
        run_id,
        metrics=[fitscribe.entities.Metric("m", 0.25, 1_700_000_000_001, 3)],
        params=[fitscribe.entities.Param("b", "x")],
        tags=[fitscribe.entities.RunTag("u", "2")],
    )
    client.log_text(run_id, "words", "w.txt")
    client.set_terminated(run_id, "FAILED", end_time=1_700_000_000_009)
    again = client.get_run(run_id)
    assert again.data.params == {"a": "1", "b": "x"}
    assert again.data.metrics == {"m": 0.25}
    assert (again.data.tags["t"], again.data.tags["u"]) == ("1", "2")
    assert (again.info.status, again.info.end_time) == ("FAILED", 1_700_000_000_009)
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert fitscribe.active_run() is None


# threads, tasks, processes


def test_threads_with_runs_of_their_own_do_not_mix():
    together = threading.Barrier(8)

    def work(number):
        with fitscribe.start_run(run_name=str(number)) as run:
            together.wait()
            for step in range(20):
                fitscribe.log_metric("number", number, step=step)
        return run

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(work, range(8)))
    for number, run in enumerate(runs):
        points = fitscribe.get_metric_history(run.info.run_id, "number")
        assert [(p.step, p.value) for p in points] == [(step, number) for step in range(20)]


def test_asyncio_tasks_do_not_mix():
    async def work(number):
        with fitscribe.start_run(run_name=str(number)) as run:
            for step in range(5):
                fitscribe.log_metric("number", number, step=step)
                await asyncio.sleep(0)
        return run

    async def main():
        return await asyncio.gather(*(work(number) for number in range(8)))

    for number, run in enumerate(asyncio.run(main())):
        assert [p.value for p in fitscribe.get_metric_history(run.info.run_id, "number")] == [number] * 5


def test_a_pool_inside_a_run_logs_into_it_and_makes_no_stray_runs():
    with fitscribe.start_run() as run, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda step: fitscribe.log_metric("m", step, step=step), range(40)))
    assert len(fitscribe.get_metric_history(run.info.run_id, "m")) == 40
    assert len(fitscribe.search_runs(output_format="list")) == 1


SCRIPT = """
    import sys, fitscribe
    fitscribe.log_param("a", 1)
    {end}
"""


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("", "FINISHED", 0),
        ("raise RuntimeError('mine')", "FAILED", 1),
        ("sys.exit(3)", "FINISHED", 3),
        ("fitscribe.end_run('KILLED')", "KILLED", 0),
    ],
)
def test_a_script_that_ends_without_end_run(tmp_path, end, status, code):
    """MLflow calls a script that died of an exception FINISHED."""
    script = textwrap.dedent(SCRIPT.format(end=end))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    [run] = fitscribe.search_runs(output_format="list")
    assert (run.info.status, run.data.params) == (status, {"a": "1"})
    assert ("RuntimeError: mine" in done.stderr) == (status == "FAILED")
    assert "fitscribe" not in done.stderr.replace("fitscribe.log_param", "") or status == "FAILED"


# bad input


def test_a_param_is_written_once():
    with fitscribe.start_run() as run:
        fitscribe.log_param("lr", 0.1)
        fitscribe.log_param("lr", 0.1)
        with pytest.raises(ParamConflict, match=r"the param 'lr' of this run is '0\.1' and cannot become '0.2'"):
            fitscribe.log_param("lr", 0.2)
        with pytest.raises(ParamConflict):
            fitscribe.log_params({"fresh": 1, "lr": 0.3})
        fitscribe.log_metric("still", 1)
    assert found(run).data.params == {"lr": "0.1"}, "of a call that raises nothing is recorded"
    assert found(run).data.metrics == {"still": 1.0}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fitscribe.log_metric("loss", "high"), "the metric 'loss' was given 'high'"),
        (lambda: fitscribe.log_metric("loss", None), "which is no number"),
        (lambda: fitscribe.log_metrics({"fine": 1, "loss": [1, 2]}), "which is no number"),
        (lambda: fitscribe.log_metric("k" * 300, 1), "has 300 characters"),
        (lambda: fitscribe.log_metric("mAP@50", 1), "'mAP_50' would do"),
        (lambda: fitscribe.log_metric("loss", 1, step=1.5), "a whole number"),
        (lambda: fitscribe.log_metric("loss", 1, timestamp="now"), "milliseconds"),
        (lambda: fitscribe.log_param("k" * 300, 1), "has 300 characters"),
        (lambda: fitscribe.set_tag("a(b)", 1), r"holds '\('"),
        (lambda: fitscribe.log_params([("a", 1)]), "a dict of names and values"),
        (lambda: fitscribe.log_text("x", "../up.txt"), "no plain relative path"),
        (lambda: fitscribe.log_text("x", ""), "needs a file name"),
        (lambda: fitscribe.log_figure("no figure", "f.png"), "a matplotlib or plotly figure, not str"),
        (lambda: fitscribe.log_table([1], "t.json"), "a dict of columns or a data frame"),
        (lambda: fitscribe.log_table({"a": [1], "b": [1, 2]}, "t.json"), "columns of one length"),
        (lambda: fitscribe.log_input(object()), "a dataset, a data frame or an array"),
        (lambda: fitscribe.end_run("DONE"), "not as 'DONE'"),
        (lambda: fitscribe.set_experiment(""), "at least one letter"),
        (lambda: fitscribe.set_experiment("x" * 501), "at most 500"),
        (fitscribe.set_experiment, "either a name or an experiment_id"),
    ],
)
def test_misuse_raises_at_once_and_loses_nothing(call, words):
    with fitscribe.start_run() as run:
        fitscribe.log_param("before", 1)
        with pytest.raises(MisuseError, match=words):
            call()
        fitscribe.log_param("after", 2)
    again = found(run)
    assert again.data.params == {"before": "1", "after": "2"}
    assert again.data.metrics == {}
    assert again.info.status == "FINISHED"


def test_a_missing_file_raises_with_its_name():
    with fitscribe.start_run():
        with pytest.raises(MissingFile, match=r"no file 'nowhere.txt' to log"):
            fitscribe.log_artifact("nowhere.txt")
        with pytest.raises(FileNotFoundError, match=r"no folder 'nowhere' to log"):
            fitscribe.log_artifacts("nowhere")


def test_ten_thousand_characters_are_kept_whole(caplog):
    long = "x" * 10_000
    with fitscribe.start_run() as run:
        fitscribe.log_param("long", long)
        fitscribe.set_tag("long", long)
    again = found(run)
    assert again.data.params["long"] == "x" * 5997 + "..."
    assert again.data.tags["long"] == "x" * 7997 + "..."
    whole = fitscribe.artifacts.load_dict(f"runs:/{run.info.run_id}/fitscribe/params.json")
    assert whole == {"long": long}
    assert "kept whole in the artifact fitscribe/params.json" in caplog.text


def test_two_thousand_params_in_one_call():
    params = {f"layer/{number}": number for number in range(2000)}
    with fitscribe.start_run() as run:
        fitscribe.log_params(params)
    assert found(run).data.params == {key: str(value) for key, value in params.items()}


def test_an_unknown_run_id_is_said_to_be_unknown():
    with pytest.raises(NotFoundError, match="no run 'nobody'"):
        fitscribe.start_run(run_id="nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        fitscribe.get_run("nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        fitscribe.log_metric("m", 1, run_id="nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        fitscribe.MlflowClient().log_param("nobody", "a", 1)


def test_an_unknown_experiment_is_said_to_be_unknown():
    for call in (fitscribe.start_run, fitscribe.set_experiment):
        with pytest.raises(NotFoundError, match="999"):
            call(experiment_id="999")
    with pytest.raises(NotFoundError, match="999"):
        fitscribe.get_experiment("999")
    with pytest.raises(ServerError, match="already exists"):
        fitscribe.create_experiment("Default")


def test_a_filter_that_does_not_parse_points_at_the_place():
    with pytest.raises(FilterError) as raised:
        fitscribe.search_runs(filter_string="metrics.acc >> 0.5", output_format="list")
    words = str(raised.value)
    assert "metrics.acc >> 0.5" in words
    line, caret = next((a, b) for a, b in zip(words.split("\n"), words.split("\n")[1:], strict=False) if "^" in b)
    assert line[caret.index("^")] == ">"


def test_an_unreachable_uri_stops_nothing_but_reads(monkeypatch, caplog):
    for name, value in (("READ_TIMEOUT", "0.5"), ("EXIT_TIMEOUT", "0.2"), ("EXIT_PATIENCE", "0.2")):
        monkeypatch.setenv(f"FITSCRIBE_{name}", value)
    config.configure()
    fitscribe.set_tracking_uri("http://127.0.0.1:1")
    fitscribe.set_experiment("anything")
    with fitscribe.start_run() as run:
        fitscribe.log_param("a", 1)
        fitscribe.log_metric("m", 1)
        fitscribe.log_text("x", "x.txt")
    with pytest.raises(TransportError, match=r"http://127.0.0.1:1"):
        _ = run.info.run_id
    with pytest.raises(TransportError, match="connection refused"):
        fitscribe.search_runs(output_format="list")
    assert fitscribe.flush(0.1) is False


@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("ftp://host/x", MisuseError, "the unknown scheme 'ftp'"),
        ("http://", MisuseError, "names no host"),
        ("sqlite:///mlflow.db", NotBuiltYet, "sqlite: are not supported yet; use"),
        ("databricks", NotBuiltYet, "databricks: are not supported yet"),
    ],
)
def test_a_uri_of_unknown_scheme_is_refused_when_it_is_set(uri, error, words):
    with pytest.raises(error, match=words):
        fitscribe.set_tracking_uri(uri)
    assert fitscribe.get_tracking_uri().endswith("/.fitscribe")


def test_what_is_not_built_says_so():
    with pytest.raises(NotBuiltYet, match="log_system_metrics"):
        fitscribe.start_run(log_system_metrics=True)


@pytest.mark.parametrize("uri", ["file://host/folder", "file://rel", "file:", "file://"])
def test_a_file_uri_with_a_host_or_without_a_folder_does_not_mean_the_working_directory(uri):
    with pytest.raises(MisuseError, match="write file:///folder"):
        fitscribe.set_tracking_uri(uri)


def test_a_folder_with_odd_letters_is_the_folder_that_was_named(tmp_path):
    folder = tmp_path / "a#b?c %20é"
    fitscribe.set_tracking_uri(f"file://{folder.as_posix().replace('%', '%25')}")
    fitscribe.log_metric("a", 1)
    fitscribe.end_run()
    fitscribe.flush()
    assert folder.joinpath("fitscribe.db").is_file()


def test_a_file_with_odd_letters_is_found_by_its_own_address():
    with fitscribe.start_run():
        fitscribe.log_text("x", "plots/é %20#?.txt")
        uri = fitscribe.get_artifact_uri("plots/é %20#?.txt")
    assert fitscribe.artifacts.load_text(uri) == "x"


class Number:
    """As numpy's: hashable, and a plain number by `tolist`."""

    def tolist(self):
        return 3


@pytest.mark.parametrize("name", ["numbers.json", "numbers.yaml"])
def test_numbers_of_numpy_in_a_dict_are_numbers_whatever_the_file(name):
    with fitscribe.start_run() as run:
        fitscribe.log_dict({"a": Number(), "b": [{Number(): 0.5, (1, 2): None}]}, name)
    assert fitscribe.artifacts.load_dict(f"runs:/{run.info.run_id}/{name}") == {
        "a": 3,
        "b": [{"3": 0.5, "(1, 2)": None}],
    }


def test_a_name_that_cannot_be_hashed_is_no_name():
    with pytest.raises(MisuseError, match="a metric's name is a text"):
        fitscribe.log_metric(["loss"], 1.0)
    fitscribe.end_run()


def test_mlflows_other_doors_are_there(monkeypatch):
    assert not fitscribe.tracking.is_tracking_uri_set()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "runs")
    config.configure()
    assert fitscribe.tracking.is_tracking_uri_set()
    with fitscribe.start_run() as outer, fitscribe.start_run(nested=True) as inner:
        pass
    assert fitscribe.get_parent_run(inner.info.run_id).info.run_id == outer.info.run_id
    assert fitscribe.get_parent_run(outer.info.run_id) is None
    with pytest.raises(fitscribe.exceptions.MlflowException):
        fitscribe.tracking.MlflowClient().get_run("0" * 32)
    assert fitscribe.models.infer_signature([1.0, 2.0]).inputs is not None
