"""The pytest plugin: fixtures that leave nothing behind, and not a trace of it in tests that do not ask for them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

INVOKED = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist"]
LOADED = "-p", "fitscribe.testing.plugin"
FEW = 3000  # microseconds


def pytest_of(folder: Path, source: str, *flags: str, conftest: str = "") -> subprocess.CompletedProcess[str]:
    """Run a file of tests in a process of its own, as its author would; the plugin comes by its entry point."""
    (folder / "test_it.py").write_text(textwrap.dedent(source))
    (folder / "conftest.py").write_text(textwrap.dedent(conftest))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    return subprocess.run(
        [*INVOKED, *flags, str(folder)], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_each_fixture_shows_what_was_recorded(tmp_path):
    done = pytest_of(
        tmp_path,
        """
        import fitscribe

        def train():
            with fitscribe.start_run(run_name="mine"):
                fitscribe.log_param("depth", 3)
                fitscribe.log_metric("loss", 0.5, step=1)
                fitscribe.log_text("hello", "a/notes.txt")

        def seen(what):
            run = what.run("mine")
            assert what.params(run) == {"depth": "3"}
            assert what.metrics(run) == {"loss": 0.5}
            assert what.history(run, "loss") == [(1, 0.5)]
            assert what.artifacts(run) == {"a/notes.txt": b"hello"}
            assert what.status(run) == "FINISHED"
            assert what.children(run) == []
            return what.tags(run)

        def test_recorder(fitscribe_recorder):
            train()
            seen(fitscribe_recorder)

        def test_store(fitscribe_store, tmp_path):
            train()
            assert seen(fitscribe_store)["mlflow.runName"] == "mine"
            assert (tmp_path / ".fitscribe" / "journal").is_dir()

        def test_endpoint(fitscribe_endpoint):
            fitscribe_endpoint.trouble("answer", "runs/create", times=1)
            train()
            assert fitscribe.flush(30)
            assert fitscribe_endpoint.ledger.named("mine").params == {"depth": "3"}

        def test_what_is_left_undelivered_does_not_keep_the_test_waiting(fitscribe_endpoint):
            fitscribe_endpoint.trouble("answer", times=1000)
            train()

        def test_a_child_in_the_store(fitscribe_store):
            with fitscribe.start_run(run_name="above"), fitscribe.start_run(run_name="below", nested=True):
                pass
            above = fitscribe_store.run("above")
            assert [run.info.run_name for run in fitscribe_store.children(above)] == ["below"]
        """,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_all_is_put_back_after_each_test(tmp_path):
    done = pytest_of(
        tmp_path,
        """
        import os, sys
        import pytest
        import fitscribe
        from fitscribe import config, delivery, discovery, guard, run
        from fitscribe.current import current

        @pytest.fixture(params=["fitscribe_recorder", "fitscribe_store", "fitscribe_endpoint", "fitscribe_apart"])
        def asked(request):
            before = state()
            yield lambda: request.getfixturevalue(request.param)

        def state():
            variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
            return (variables, dict(config._given), set(guard._said), dict(run.opened), current(),
                    discovery._all is None, list(sys.meta_path), delivery._delivery, run.outlet(), os.getcwd())

        STATES = []

        @pytest.fixture(autouse=True)
        def same(request):
            STATES.append(state())
            yield

        def test_it(same, asked):
            what = asked()
            assert "FITSCRIBE_DIR" not in os.environ
            assert fitscribe.active_run() is None
            fitscribe.autolog()
            fitscribe.set_tracking_uri("another-folder")
            fitscribe.start_run()

        def test_last():
            for each in STATES:
                assert each == STATES[0]
            assert fitscribe.active_run().info.run_name == "the session's own"
        """,
        conftest="""
        import os
        import fitscribe
        os.environ["FITSCRIBE_DIR"] = os.path.abspath("journal")
        fitscribe.start_run(run_name="the session's own")
        """,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_an_error_of_ours_that_was_swallowed_fails_the_test_unless_it_says_so(tmp_path):
    done = pytest_of(
        tmp_path,
        """
        import pytest
        import fitscribe

        @fitscribe.guarded("telling the round")
        def each_round():
            raise KeyError("round 3")

        def test_one(fitscribe_recorder):
            each_round()

        @pytest.mark.swallows
        def test_two(fitscribe_recorder):
            each_round()

        def test_three():
            each_round()
        """,
    )
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "ERROR at teardown of test_one" in done.stdout
    assert "KeyError: 'round 3'" in done.stdout


def test_switched_on_for_the_whole_session_it_stays_on(tmp_path):
    done = pytest_of(
        tmp_path,
        """
        from fitscribe import discovery

        def test_one(fitscribe_recorder):
            assert discovery._all.options["log_models"] is False

        def test_two():
            assert discovery._all.options["log_models"] is False
        """,
        conftest="""
        import fitscribe
        fitscribe.autolog(log_models=False)
        """,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_who_uses_none_of_it_pays_nothing(tmp_path):
    """No module of weight is loaded, and pytest starts as fast: the plugin imports itself alone."""
    source = """
        import sys

        def test_nothing_is_loaded():
            ours = sorted(name for name in sys.modules if name.startswith("fitscribe"))
            assert ours == ["fitscribe", "fitscribe.testing", "fitscribe.testing.plugin"]
            assert not {"msgspec", "requests", "sqlalchemy", "yaml", "click"} & set(sys.modules)
            assert not sys.meta_path[0].__class__.__module__.startswith("fitscribe")
        """
    done = pytest_of(tmp_path, source)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_switched_off_by_its_name_it_is_gone(tmp_path):
    done = pytest_of(tmp_path, "def test_it(fitscribe_recorder): pass", "-p", "no:fitscribe")
    assert "fixture 'fitscribe_recorder' not found" in done.stdout
    done = pytest_of(tmp_path, "def test_it(): pass", "-p", "no:fitscribe")
    assert "1 passed" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_of_a_test_speaks_to_its_own_copy(fitscribe_recorder):
    from fitscribe.run import Run

    Run.start("parent").end()
    child = os.fork()
    if not child:
        Run.start("child").end()
        os._exit(len(fitscribe_recorder.runs()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert len(fitscribe_recorder.runs()) == 1
