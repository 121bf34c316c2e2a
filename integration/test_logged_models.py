"""Models of autologging and of `log_model` at real servers, new and old, and what real MLflow does with them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitscribe import Client, config
from integration.other_servers import requirements, serving
from integration.test_store_with_mlflow_client import Server

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow", "ignore::DeprecationWarning", "ignore::FutureWarning")

SCRIPT = """
import sys
import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

random = numpy.random.default_rng(0)
X = random.normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
autologging = {library}
autologging.set_experiment("{experiment}")
autologging.sklearn.autolog(registered_model_name="{experiment}")
with autologging.start_run(run_name="fit"):
    LogisticRegression(C=0.5).fit(X, y)
with autologging.start_run(run_name="search"):
    GridSearchCV(LogisticRegression(), {{"C": [0.1, 1.0]}}, cv=2).fit(X, y)
autologging.sklearn.autolog(disable=True)
with autologging.start_run(run_name="by hand"):
    autologging.log_param("p", 1)
    autologging.log_metric("before", 0.5)
    autologging.sklearn.log_model(LogisticRegression().fit(X, y), name="mine", input_example=X[:2])
    autologging.log_metric("after", 0.75)
"""
OURS = "import fitscribe\n" + SCRIPT
THEIRS = "import mlflow\n" + SCRIPT
EXAMPLE = np.zeros((2, 3))


def ran(folder: Path, uri: str, script: str) -> str:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "FITSCRIBE_EXIT_TIMEOUT": "120"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def real(mlflow_server: str) -> Iterator[Any]:
    """The real client."""
    mlflow.set_tracking_uri(mlflow_server)
    yield mlflow.MlflowClient(mlflow_server)
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def both(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same script has run with fitscribe and with MLflow's own autologging."""
    folder = tmp_path_factory.mktemp("both")
    ran(folder / "ours", mlflow_server, OURS.format(library="fitscribe", experiment="ours"))
    ran(folder / "theirs", mlflow_server, THEIRS.format(library="mlflow", experiment="theirs"))
    return mlflow_server


def models(client: Any, experiment: str) -> dict[tuple[str, str], Any]:
    """The models of an experiment by the name of their run and their own."""
    found = client.search_logged_models([client.get_experiment_by_name(experiment).experiment_id])
    named = {(client.get_run(each.source_run_id).info.run_name, each.name): each for each in found}
    assert len(named) == len(found), "no model is there twice"
    return named


def test_a_model_is_what_mlflows_own_autologging_makes_of_it(both: str, real: Any) -> None:
    ours, theirs = models(real, "ours"), models(real, "theirs")
    assert set(ours) == set(theirs)
    assert set(ours) == {("fit", "model"), ("search", "model"), ("search", "best_estimator"), ("by hand", "mine")}
    for key in ours:
        mine, other = ours[key], theirs[key]
        assert str(mine.status) == str(other.status) == "READY"
        assert mine.artifact_location == f"mlflow-artifacts:/{mine.experiment_id}/models/{mine.model_id}/artifacts"
        assert mine.params.items() <= other.params.items(), key
        if key[1] != "best_estimator":  # to which MLflow gives the params of the search as well
            assert set(other.params) == set(mine.params)
        assert mine.model_type == other.model_type
        assert set(other.tags) <= set(mine.tags) | {"mlflow.modelVersions"}
        outputs = [each.model_id for each in real.get_run(mine.source_run_id).outputs.model_outputs]
        assert mine.model_id in outputs
    made, other = ({each.key: each for each in m[("fit", "model")].metrics} for m in (ours, theirs))
    assert set(other) <= set(made)
    for key, metric in other.items():
        assert metric.value == pytest.approx(made[key].value), key
        assert bool(metric.dataset_name) == bool(made[key].dataset_name)
    assert {each.key for each in ours[("by hand", "mine")].metrics} == {"before", "after"}


def test_real_mlflow_loads_it_by_its_run_by_its_id_and_from_the_registry(both: str, real: Any) -> None:
    for (_, name), model in models(real, "ours").items():
        uris = (f"runs:/{model.source_run_id}/{name}", model.model_uri)
        answers = [mlflow.pyfunc.load_model(uri).predict(EXAMPLE).tolist() for uri in uris]
        assert answers[0] == answers[1] == mlflow.sklearn.load_model(uris[0]).predict(EXAMPLE).tolist()
        info = mlflow.models.get_model_info(uris[1])
        assert (info.model_id, info.run_id) == (model.model_id, model.source_run_id)
        assert {each.path for each in real.list_artifacts(model.source_run_id, name)} >= {f"{name}/MLmodel"}
    versions = {each.run_id: each for each in real.search_model_versions("name = 'ours'")}
    registered = {key: models(real, "ours")[key] for key in (("fit", "model"), ("search", "best_estimator"))}
    assert set(versions) == {each.source_run_id for each in registered.values()}, "of a search the best model, once"
    for each in registered.values():
        assert versions[each.source_run_id].source == f"models:/{each.model_id}"
    assert mlflow.sklearn.load_model("models:/ours/1").predict(EXAMPLE).shape == (2,)


def test_fitscribe_reads_what_mlflow_logged_and_the_other_way_round(both: str, tmp_path: Path) -> None:
    client = Client(both)
    for experiment in ("ours", "theirs"):
        for (_, name), model in models(client, experiment).items():
            run_id = model.source_run_id
            assert name in {each.path for each in client.list_artifacts(run_id) if each.is_dir}
            listed = {each.path for each in client.list_artifacts(run_id, name)}
            assert f"{name}/MLmodel" in listed
            place = Path(client.download_artifacts(run_id, name, tmp_path / model.model_id))
            assert {f"{name}/{each.name}" for each in place.iterdir()} == listed
            assert Path(client.download_artifacts(run_id, f"{name}/MLmodel")).read_text().count(model.model_id) > 0
            assert client.get_logged_model(model.model_id) == model
    found = client.search_logged_models(
        [client.get_experiment_by_name("ours").experiment_id],
        "metrics.training_score > 0.5 AND params.C = '0.5'",
        order_by=[{"field_name": "metrics.training_score", "ascending": False}],
    )
    assert [each.name for each in found] == ["model"]


@pytest.fixture(scope="module", params=sorted(requirements()))
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Name and URI of a server without logged models, and what the script said there."""
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as uri:
        script = "import logging\nlogging.basicConfig(level='INFO')\n" + OURS
        yield (
            request.param,
            uri,
            ran(tmp_path_factory.mktemp("old"), uri, script.format(library="fitscribe", experiment="ours")),
        )


def test_on_an_older_server_the_same_models_are_among_the_files_of_their_runs(old: tuple[str, str, str]) -> None:
    name, uri, said = old
    config.configure(tracking_uri=uri)
    client = Client(uri)
    runs = client.search_runs([client.get_experiment_by_name("ours").experiment_id])
    tops = {run.info.run_name: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert said.count("has no logged models") == 1
    for run, model in (("fit", "model"), ("search", "model"), ("search", "best_estimator"), ("by hand", "mine")):
        run_id = tops[run].info.run_id
        text = Path(client.download_artifacts(run_id, f"{model}/MLmodel")).read_text()
        assert f'run_id: "{run_id}"' in text
    if name == "mlflow-2":
        versions = client.search_model_versions("name = 'ours'")
        assert {each.run_id for each in versions} == {tops[run].info.run_id for run in ("fit", "search")}
        assert {each.source.rpartition("/")[2] for each in versions} == {"model", "best_estimator"}
    else:
        assert "got no version of the model" in said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Our own store behind HTTP."""
    with Server(tmp_path / "store") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    server.store.close()


def test_real_mlflow_logs_models_to_our_own_store_and_loads_those_that_fitscribe_logged(
    served: str, tmp_path: Path
) -> None:
    ran(tmp_path / "theirs", served, THEIRS.format(library="mlflow", experiment="theirs"))
    ran(tmp_path / "ours", served, OURS.format(library="fitscribe", experiment="ours"))
    mlflow.set_tracking_uri(served)
    try:
        real = mlflow.MlflowClient(served)
        ours, theirs = models(real, "ours"), models(real, "theirs")
        assert set(ours) == set(theirs)
        for key, model in [*ours.items(), *theirs.items()]:
            uris = (f"runs:/{model.source_run_id}/{key[1]}", model.model_uri)
            answers = [mlflow.pyfunc.load_model(uri).predict(EXAMPLE).tolist() for uri in uris]
            assert answers[0] == answers[1]
        assert ours[("fit", "model")].params == theirs[("fit", "model")].params
        [tagged] = (
            {model.tags.get("mlflow.modelVersions") for model in ours.values()}
            - {None, "x"}
            - {'[{"name": "ours", "version": 2}]'}
        )
        assert tagged == '[{"name": "ours", "version": 1}]'
        external = mlflow.create_external_model(name="elsewhere", params={"a": "1"}, tags={"b": "2"})
        assert str(external.status) == "READY"
        mlflow.set_logged_model_tags(external.model_id, {"c": "3"})
        mlflow.delete_logged_model_tag(external.model_id, "b")
        assert {"c": "3"}.items() <= mlflow.get_logged_model(external.model_id).tags.items()
        real.delete_logged_model(external.model_id)
        with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
            mlflow.get_logged_model(external.model_id)
    finally:
        mlflow.set_tracking_uri(None)


KILLED = """
    import sys
    import numpy
    import fitscribe
    from sklearn.linear_model import LogisticRegression
    X = numpy.arange(30.0).reshape(10, 3)
    model = LogisticRegression().fit(X, [0, 1] * 5)
    fitscribe.set_experiment(sys.argv[1])
    print("begun", flush=True)
    for number in range(40):
        with fitscribe.start_run(run_name=str(number)):
            fitscribe.log_metric("m", number)
            fitscribe.sklearn.log_model(model, name="model", registered_model_name=sys.argv[1])
    fitscribe.flush(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_kill_9_at_any_moment_leaves_no_model_and_no_version_twice(mlflow_server: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_server}
    for trial in range(3):
        name = f"killed-{trial}-{os.getpid()}"
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), name],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(1.5, 4.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        command = [sys.executable, "-m", "fitscribe", "sync"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        client = Client(mlflow_server)
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        found = client.search_logged_models([experiment.experiment_id], max_results=100)
        assert len({each.source_run_id for each in found}) == len(found), "one model a run"
        ready = {each.model_id for each in found if str(each.status) == "READY"}
        versions = client.search_model_versions(f"name = '{name}'")
        assert sorted(each.source for each in versions) == sorted(f"models:/{model}" for model in ready)
        for each in found:
            if each.model_id in ready:
                listed = {one.path for one in client.list_logged_model_artifacts(each.model_id)}
                assert {"MLmodel", "model.pkl", "requirements.txt"} <= listed
                assert [point.key for point in each.metrics] == ["m"]
        assert len(ready) >= len([run for run in runs if run.info.status == "FINISHED"]) > 0
