"""`fitscribe models serve` and `models predict` as processes: how they start, what they say, and how they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import fitscribe
from integration.bench.measuring import SOURCES

ROWS = json.dumps({"dataframe_records": [{"a": 1.0, "b": 2.0}, {"a": 0.0, "b": 0.5}]}).encode()
JSON = "application/json"
posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


@pytest.fixture(scope="module")
def model(tmp_path_factory, monkeypatch_module):
    """A model that this user made; it predicts a + b."""
    folder = tmp_path_factory.mktemp("model") / "model"
    X = pd.DataFrame({"a": [1.0, 2.0, 4.0, 8.0], "b": [1.0, 3.0, 2.0, 5.0]})
    fitscribe.sklearn.save_model(LinearRegression().fit(X, X.sum(axis=1)), folder, input_example=X)
    return folder


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """A key folder of this test's own, here and in the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("APPDATA", os.environ["XDG_CONFIG_HOME"])
        yield patch


def command(*words: object, data: bytes = b"", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fitscribe", "models", *map(str, words)],
        input=data, capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
    )  # fmt: skip


def predictions(answer) -> list[float]:
    assert answer.status == 200, answer
    return [round(each, 6) for each in json.loads(answer.body)["predictions"]]


def test_a_served_model_answers_many_clients_from_several_processes(start, model):
    server = start("fitscribe", "models", "serve", "-m", model, "-p", "PORT", "-w", 2).ready()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.ask("POST", "/invocations", ROWS, JSON), range(100)))
    assert {tuple(predictions(answer)) for answer in answers} == {(3.0, 0.5)}
    assert f"at http://127.0.0.1:{server.port}/invocations" in server.log
    if os.name == "posix":
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


SLOW = """
    import sys, time
    import fitscribe

    class Slow(fitscribe.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            print("predicting", flush=True)
            time.sleep(float(model_input[0]))
            return ["done"]

    fitscribe.pyfunc.save_model(sys.argv[1], python_model=Slow(), pip_requirements=[])
"""


@pytest.fixture
def slow(tmp_path):
    """A model that takes as many seconds as it is asked to."""
    script = tmp_path / "slow.py"
    script.write_text(textwrap.dedent(SLOW))
    subprocess.run([sys.executable, script, tmp_path / "slow"], check=True, env={**os.environ, "PYTHONPATH": SOURCES})
    return tmp_path / "slow"


@posix
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_whoever_is_being_answered_gets_the_answer_before_the_server_ends(start, slow, how):
    server = start("fitscribe", "models", "serve", "-m", slow, "-p", "PORT", "--trust").ready()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, "POST", "/invocations", b'{"inputs": [1.5]}', JSON)
        while "predicting" not in server.log:
            time.sleep(0.02)
        server.process.send_signal(how)
        assert json.loads(asked.result().body) == {"predictions": ["done"]}
    assert server.process.wait(30) in (0, -how)
    with pytest.raises(OSError, match="refused"):
        server.ask("GET", "/ping")
    assert "Traceback" not in server.log


@posix
def test_a_prediction_that_does_not_end_holds_up_no_end_of_the_server(start, slow):
    server = start("fitscribe", "models", "serve", "-m", slow, "-p", "PORT", "-t", 1, "--trust").ready()
    assert server.ask("POST", "/invocations", b'{"inputs": [600]}', JSON).status == 504
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)
    assert time.monotonic() - began < 30


@posix
def test_a_worker_that_was_killed_is_replaced(start, model):
    server = start("fitscribe", "models", "serve", "-m", model, "-p", "PORT", "-w", 2).ready()
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True)
    workers = [int(line) for line in children.stdout.split()]
    for worker in workers[-2:]:
        os.kill(worker, signal.SIGKILL)
    time.sleep(1)
    server.ready()
    assert predictions(server.ask("POST", "/invocations", ROWS, JSON)) == [3.0, 0.5]


def test_a_port_that_is_taken_is_said_in_one_line(model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("serve", "-m", model, "-p", taken.getsockname()[1])
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: cannot listen on 127.0.0.1:")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_nobody_vouches_for_is_not_served(theirs, workers):
    done = command("serve", "-m", theirs.folder / "answers", "-p", 0, "-w", workers)
    assert done.returncode != 0
    assert b"would run code from python_model.pkl" in done.stderr
    assert b"--trust" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"would run code") == 1


MISSING = """
    import sys
    import fitscribe
    from gone import Gone

    fitscribe.pyfunc.save_model(sys.argv[1], python_model=Gone(), pip_requirements=["gone"])
"""


@pytest.mark.parametrize("words", [["serve", "-p", 0], ["serve", "-p", 0, "-w", 2], ["predict"]])
def test_a_model_whose_package_is_missing_is_said_in_one_line(tmp_path, words):
    package = "import fitscribe\n\nclass Gone(fitscribe.pyfunc.PythonModel):\n    def predict(self, context, rows):\n"
    (tmp_path / "gone.py").write_text(package + "        return rows\n")
    (tmp_path / "save.py").write_text(textwrap.dedent(MISSING))
    made = [sys.executable, tmp_path / "save.py", tmp_path / "model"]
    subprocess.run(made, check=True, env={**os.environ, "PYTHONPATH": SOURCES}, capture_output=True)
    done = command(*words, "-m", tmp_path / "model", "--trust")
    assert done.returncode != 0
    assert b"Error: the model cannot be loaded here: ModuleNotFoundError: No module named 'gone'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_model_that_is_not_there_is_said_in_one_line(tmp_path):
    for words in (
        ["serve", "-m", tmp_path / "none", "-p", 0],
        ["predict", "-m", tmp_path / "none"],
        ["show", tmp_path],
    ):
        done = command(*words)
        assert done.returncode == 1
        assert done.stderr.startswith(b"Error: ")
        assert done.stderr.count(b"\n") == 1


def test_mlflows_words_for_environments_are_accepted_as_far_as_they_mean_something(model):
    done = command("predict", "-m", model, "--env-manager", "local", data=ROWS)
    assert done.returncode == 0, done.stderr
    assert command("predict", "-m", model, "--no-conda", data=ROWS).stdout == done.stdout
    refused = command("predict", "-m", model, "--env-manager", "conda", data=ROWS)
    assert refused.returncode == 2
    assert b"works in the environment that it runs in" in refused.stderr


def test_predictions_for_a_file(model, tmp_path):
    table = pd.DataFrame({"b": [2.0, 0.5], "a": [1.0, 0.0]})
    (tmp_path / "in.json").write_bytes(ROWS)
    table.to_csv(tmp_path / "in.csv", index=False)
    for name in ("in.json", "in.csv"):
        done = command("predict", "-m", model, "-i", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert np.allclose(json.loads(done.stdout)["predictions"], [3.0, 0.5])
    written = command("predict", "-m", model, "-i", tmp_path / "in.csv", "-o", tmp_path / "out.json")
    assert (written.returncode, written.stdout) == (0, b"")
    assert np.allclose(json.loads((tmp_path / "out.json").read_bytes())["predictions"], [3.0, 0.5])
    command("predict", "-m", model, "-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert np.allclose(pd.read_csv(tmp_path / "out.csv")["predictions"], [3.0, 0.5])
    assert command("predict", "-m", model, "-t", "csv", data=b"a,b\n1,2\n").stdout.startswith(b'{"predictions": [')


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", b"the body is no JSON"),
        (b'{"inputs": {"a": [1.0]}}', b"'b'"),
        (b'{"inputs": {"a": ["x"], "b": [1]}}', b"'a'"),
    ],
)
def test_data_that_does_not_fit_is_said_in_one_line_and_nothing_is_written(model, tmp_path, data, words):
    done = command("predict", "-m", model, "-o", tmp_path / "out.json", data=data)
    assert done.returncode == 1
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_tells_about_itself(model, theirs):
    shown = command("show", model, COLUMNS="200").stdout.decode()
    for words in ("sklearn", "scikit-learn==", "signed by you", "double", "inputs", "outputs"):
        assert words in shown
    assert json.loads(command("show", model, "--json").stdout)["flavors"]["sklearn"]
    assert b"signed by you" in command("verify", model).stdout
    other = command("verify", theirs.folder / "answers")
    assert (other.returncode, b"it is not signed" in other.stderr) == (1, True)
    assert b"nothing in it runs code" in command("verify", theirs.folder / "regression").stdout
