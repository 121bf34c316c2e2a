"""Dialects of other packages: found without importing them, and nothing suffers where one is broken."""

import logging
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fitscribe
from fitscribe import config, delivery, dialects
from fitscribe.dialects import Address, AddressBook, Parcel, dialect_for
from fitscribe.errors import MisuseError, TransportError
from fitscribe.testing.endpoint import Endpoint

GOOD = """
import threading
heard = []
class Acme:
    parallel, moved = 1, 0.0
    def write(self, parcel):
        parcel.book.learn(parcel.run, parcel.run)
        heard.extend((threading.current_thread().name, type(r).__name__) for r in parcel.records)
    def close(self):
        pass
def dialect(uri):
    assert uri == "acme://host/x", uri
    return Acme()
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Install a package with a dialect for acme: of the given source."""
    folder = tmp_path / "site"

    def install(source: str) -> None:
        (folder / "acme-1.0.dist-info").mkdir(parents=True)
        (folder / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (folder / "acme-1.0.dist-info" / "entry_points.txt").write_text(
            "[fitscribe.dialects]\nacme = acme_scribe:dialect\n"
        )
        (folder / "acme_scribe.py").write_text(textwrap.dedent(source))

    monkeypatch.syspath_prepend(str(folder))
    config._registered.cache_clear()
    dialects._dialects.clear()
    yield install
    delivery.forget()
    fitscribe.set_tracking_uri("")
    sys.modules.pop("acme_scribe", None)
    config._registered.cache_clear()


def log_a_run() -> None:
    with fitscribe.start_run(run_name="one"):
        fitscribe.log_metric("loss", 0.5)


def test_a_package_adds_a_scheme_and_is_imported_by_the_delivery_alone(package: Callable[[str], None]) -> None:
    package(GOOD)
    fitscribe.set_tracking_uri("ACME://host/x/")
    assert "acme_scribe" not in sys.modules
    log_a_run()
    assert fitscribe.flush(10)
    heard = sys.modules["acme_scribe"].heard
    assert [kind for _, kind in heard][:1] == ["RunStarted"]
    assert "RunEnded" in [kind for _, kind in heard]
    assert {name for name, _ in heard} <= {"fitscribe", "fitscribe crew"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_thing_at_all", "ModuleNotFoundError: No module named 'no_such_thing_at_all'"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("x = 1", "AttributeError: module 'acme_scribe' has no attribute 'dialect'"),
        ("def dialect(uri): raise OSError('no licence')", "OSError: no licence"),
        (GOOD.replace("parcel.book.learn", "1 / 0 and "), "failed (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_package_that_is_broken_leaves_the_records_in_the_journal(
    package: Callable[[str], None],
    source: str,
    words: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    package(source)
    fitscribe.set_tracking_uri("acme://host/x")
    log_a_run()
    assert not fitscribe.flush(1.5)
    said = [each.message for each in caplog.records if each.levelno >= logging.WARNING and "acme" in each.message]
    assert len(said) == 1
    assert words in said[0]
    assert list(tmp_path.rglob("*.journal"))
    assert not list(tmp_path.rglob("dead-letters.jsonl"))
    config.configure(exit_patience=0.1)


def test_other_endpoints_get_their_records_while_a_package_is_broken(package: Callable[[str], None]) -> None:
    package("import no_such_thing_at_all")
    with Endpoint() as endpoint:
        fitscribe.set_tracking_uri("acme://host/x")
        with fitscribe.start_run():
            fitscribe.set_tracking_uri(endpoint.uri)
        with fitscribe.start_run(run_name="other"):
            fitscribe.log_metric("loss", 0.5)
        deadline = time.monotonic() + 5
        while not endpoint.ledger.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        config.configure(exit_patience=0.1)
        assert [run.run_name for run in endpoint.ledger.runs.values()] == ["other"]


def test_a_package_that_was_taken_away_is_named_by_its_scheme() -> None:
    with pytest.raises(TransportError, match="no installed package has a dialect for acme:"):
        dialect_for("acme://me:hush@host/y").write(Parcel("a", "", [], AddressBook([Address("a", "")]), []))


def test_nobody_knows_a_scheme_that_no_package_has() -> None:
    config._registered.cache_clear()
    with pytest.raises(MisuseError, match="unknown scheme 'acme'"):
        config.canonical_uri("acme://host")


def test_a_uri_of_an_endpoint_over_http_looks_for_no_packages() -> None:
    done = (
        "import sys; from fitscribe.config import canonical_uri; canonical_uri('events+http://h'); "
        "print('importlib.metadata' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", done], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"
