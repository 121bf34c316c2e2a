"""A real MLflow server that asks who is there: basic-auth, with a user who may write and one who may not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import fitscribe
from fitscribe import delivery, dialects
from fitscribe.cli import main
from fitscribe.config import configure
from fitscribe.errors import FitscribeError
from fitscribe.transport.http import Http
from integration.server import Server

ADMIN, PASSWORD = "admin", "a-long-enough-password"
NAMES = (
    "tracking_username",
    "tracking_password",
    "tracking_token",
    "tracking_uri",
    "exit_patience",
    "exit_timeout",
    "read_timeout",
)


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded-server")
    given = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-this-test",
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
    }
    server = Server(folder, "--artifacts-destination", str(folder / "artifacts"), "--app-name", "basic-auth", **given)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    delivery.forget()
    dialects._dialects.clear()  # what the last test was let in with
    configure(**dict.fromkeys(NAMES))


def log_a_run(uri: str) -> None:
    """Log without waiting; a busy machine takes seconds for each password that the server looks at."""
    configure(exit_patience=60.0, read_timeout=60.0)
    fitscribe.set_tracking_uri(uri)
    with fitscribe.start_run(run_name="one"):
        fitscribe.log_metric("loss", 0.5)


def test_user_and_password_by_variables_and_by_the_url(guarded_server: Server) -> None:
    configure(tracking_username=ADMIN, tracking_password=PASSWORD)
    log_a_run(guarded_server.uri)
    assert fitscribe.flush(120)
    configure(tracking_username=None, tracking_password=None)
    log_a_run(guarded_server.uri.replace("//", f"//{ADMIN}:{PASSWORD}@"))
    assert fitscribe.flush(120)
    newest = fitscribe.search_runs(output_format="list", max_results=2)  # other tests log to this server, too
    assert [run.data.metrics for run in newest] == [{"loss": 0.5}] * 2
    assert len({run.info.start_time for run in newest}) == 2


@pytest.mark.parametrize("given", [{}, {"tracking_username": ADMIN, "tracking_password": "wrong-wrong-wrong"}])
def test_who_is_not_let_in_hears_it_once_and_loses_nothing(
    guarded_server: Server, given: dict, caplog: pytest.LogCaptureFixture
) -> None:
    configure(**given)
    log_a_run(guarded_server.uri)
    until = time.monotonic() + 60
    while not (said := [each for each in caplog.messages if "check MLFLOW_TRACKING_USERNAME" in each]):
        assert time.monotonic() < until
        time.sleep(0.1)
    configure(exit_patience=0.1, exit_timeout=0.5)
    with pytest.raises(FitscribeError, match=r"MLFLOW_TRACKING"):
        fitscribe.search_runs()
    delivery.forget()
    assert len([each for each in caplog.messages if "check MLFLOW_TRACKING_USERNAME" in each]) == len(said) == 1
    configure(tracking_username=ADMIN, tracking_password=PASSWORD)
    answer = CliRunner().invoke(main, ["sync"])
    assert answer.exit_code == 0, answer.output
    assert not [each for each in caplog.messages if PASSWORD in each]


def test_a_password_that_was_changed_is_read_again(guarded_server: Server, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not-yet-the-right-one")
    configure()
    http = Http(guarded_server.uri, timeout=60)
    ask = "POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}
    assert http.send(*ask).status == 401
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    assert http.send(*ask).status == 200
    http.close()
