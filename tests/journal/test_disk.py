"""Disks that are full, closed, gone, or not to be trusted: training goes on, and what can be kept is kept."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.config import configure, settings
from fitscribe.dialects import dialect_for
from fitscribe.errors import MisuseError
from fitscribe.journal import memory, places, segment, segments
from fitscribe.journal.allowance import Allowance
from fitscribe.journal.frames import frame, frames
from fitscribe.journal.memory import Memory
from fitscribe.journal.segment import Segment, home_of, payloads
from fitscribe.journal.segments import Segments
from fitscribe.journal.thinning import Thinning
from fitscribe.journal.upkeep import tend
from fitscribe.records import Artifact, Drawing, Lines, Metrics, Params, RunEnded, RunStarted, Tags, decode, encode
from fitscribe.shipping import lifetime
from fitscribe.shipping.shipper import Shipper
from fitscribe.testing.endpoint import Endpoint

RUN = "a" * 32


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("USER", "alice")
    return folder


def nothing(_: object) -> None:
    return None


def begun(shipper: Shipper, endpoint: Endpoint, run: str = RUN) -> str:
    shipper.emit(RunStarted(run, 1, endpoint.uri, "fit"))
    return run


def said(path: Path) -> list[bytes]:
    return payloads(path)


# a segment


if sys.platform != "win32":
    import resource

    @pytest.fixture
    def at_most() -> Iterator[Callable[[int], None]]:
        """Let no file of this process grow beyond so many bytes, as on a disk that is full."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def test_half_a_record_is_taken_back_when_the_disk_is_full(tmp_path: Path, at_most: Callable[[int], None]) -> None:
        out = Segment(tmp_path / "s.journal")
        out.append(frame(b"one"))
        at_most(out.written + 20)
        with pytest.raises(OSError, match=r"."):
            out.append(frame(b"x" * 100))
        at_most(resource.RLIM_INFINITY)
        assert out.path.stat().st_size == out.written
        out.append(frame(b"two"))
        out.close()
        assert said(out.path) == [b"one", b"two"]

    def test_nothing_follows_half_a_record_that_cannot_be_taken_back(
        tmp_path: Path, at_most: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(file: int, size: int) -> None:
            raise OSError(5, "Input/output error")

        out = Segments(tmp_path / "journal", nothing)
        out.append(frame(b"one"))
        monkeypatch.setattr(os, "ftruncate", broken)
        at_most(out.volume + 20)
        out.append(frame(b"x" * 14))
        at_most(resource.RLIM_INFINITY)
        out.append(frame(b"two"))
        first, second = out.close()
        assert first.stat().st_size > len(segment.MAGIC) + len(frame(b"one"))
        assert (said(first), said(second)) == ([b"one"], [b"x" * 14, b"two"])

    def test_a_signal_that_raises_during_a_write_leaves_whole_records(tmp_path: Path) -> None:
        out = Segments(tmp_path / "journal", nothing)
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        out.append(frame(b"0"))
        done = 1
        try:
            for _ in range(300):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0003)
                    while True:
                        out.append(frame(b"%d" % done))
                        done += 1
                except KeyboardInterrupt:
                    pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        count = out.count
        (path,) = out.close()
        there = said(path)
        assert len(there) == count
        assert list(dict.fromkeys(map(int, there))) == list(range(int(there[-1]) + 1))

    def test_too_many_open_files_cost_nothing(endpoint: Endpoint, journal: Path) -> None:
        code = f"""
import os, resource, sys
from pathlib import Path
from fitscribe.dialects import dialect_for
from fitscribe.shipping.shipper import Shipper
from fitscribe.journal import segments
from fitscribe.records import Metrics, RunStarted
segments.LIMIT = 5000
shipper = Shipper(Path({str(journal)!r}), dialect_for)
shipper.emit(RunStarted("a" * 32, 1, {endpoint.uri!r}, "fit"))
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit[1]))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for step in range(500):
    shipper.emit(Metrics("a" * 32, step, step, {{"loss": 1.0}}))
for each in taken[10:]:
    os.close(each)
assert shipper.flush(20), shipper.trouble()
shipper.close()
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(endpoint.ledger.named("fit").points["loss"]) == 500
        assert done.stderr.count("cannot be written") <= 1  # a new segment may fall into the time without descriptors


# where segments lie


def closed(tmp_path: Path) -> Path:
    """A journal's folder that nobody can make, root neither."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "journal"


def test_a_refuge_is_for_this_user_alone_and_names_the_home(tmp_path: Path, temporary: Path) -> None:
    home = closed(tmp_path)
    out = Segments(home, nothing)
    out.append(frame(b"one"))
    (path,) = out.close()
    assert path.parent == temporary / "fitscribe-alice" / "journal"
    assert home_of(path) == home
    assert home_of(tmp_path / "journal" / "x.journal") == tmp_path / "journal"
    if os.name == "posix":
        assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent.parent, path.parent)] == [0o700, 0o700]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="folders have no owner here")
def test_a_link_that_lies_in_wait_is_not_followed(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "trap").mkdir()
    (temporary / "fitscribe-alice").symlink_to(tmp_path / "trap")
    assert places.fallback() == temporary / "fitscribe-alice-2" / "journal"
    for name in ("fitscribe-alice-2", "fitscribe-alice-3"):
        (temporary / name).symlink_to(tmp_path / "trap")
    out = Segments(closed(tmp_path), nothing)
    out.append(frame(b"one"))
    assert isinstance(out.front(), Memory)
    out.close()
    assert list((tmp_path / "trap").iterdir()) == []


def test_without_any_folder_everything_still_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(closed(tmp_path)))
    shipper = Shipper(closed(tmp_path), dialect_for)
    run = begun(shipper, endpoint)
    for step in range(3000):
        shipper.emit(Metrics(run, step, step, {"loss": 0.5}))
    assert shipper.snapshot(b"x", "model.bin") == ""
    shipper.emit(Artifact(run, 1, "model.bin", ""))
    shipper.emit(RunEnded(run, 9, "FINISHED"))
    assert shipper.flush(10)
    shipper.close()
    found = endpoint.ledger.named("fit")
    assert (len(found.points["loss"]), found.status) == (3000, "FINISHED")
    assert found.tags["fitscribe.left_out"] == "model.bin"
    assert [record.getMessage().split(" (")[0] for record in caplog.records if record.levelname == "WARNING"] == [
        f"{tmp_path}/file/journal cannot be written",
        "no disk takes a copy of what is to be uploaded",
    ]


def test_a_refusal_that_no_disk_keeps_is_said_and_the_rest_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(closed(tmp_path)))
    shipper = Shipper(closed(tmp_path), dialect_for)
    run = begun(shipper, endpoint)
    shipper.emit(Metrics(run, 1, 1, {"bad@": 1.0}))
    shipper.emit(Tags(run, 2, {"good": "yes"}))
    assert shipper.flush(10)
    shipper.close()
    assert endpoint.ledger.named("fit").tags["good"] == "yes"
    assert "Invalid name: 'bad@'. It is not kept: Not a directory" in caplog.text


def test_what_memory_cannot_hold_is_counted_and_said_once_and_metrics_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(closed(tmp_path)))
    monkeypatch.setattr(segments, "MOST", 60_000)
    monkeypatch.setattr(memory, "RESERVE", 10_000)
    out = Segments(closed(tmp_path), nothing)
    record = frame(encode(Metrics(RUN, 1, 1, {"loss": 1.0})))
    for _ in range(2000):
        out.append(record)
    assert out.lost == 2000 - 50_000 // len(record)
    assert out.pressure > 8
    lost = out.lost
    out.append(frame(encode(RunEnded(RUN, 2, "FINISHED"))))
    assert (out.lost, out.count) == (lost, 2001 - lost)
    there = out.front()
    assert there is not None
    assert there.written < 60_000
    out.close()
    assert (out.lost, len(caplog.records)) == (2001, 1)
    Allowance(tmp_path, out, 0, False).farewell()
    assert caplog.messages[1:] == ["2001 record(s) are lost, which neither a disk nor memory could take"]


def test_memory_moves_to_disk_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(closed(tmp_path)))
    monkeypatch.setattr(segments, "RETURN", 0.01)
    home, lock = closed(tmp_path), threading.RLock()
    out = Segments(home, nothing)
    out._wait = 0.01
    out.append(frame(b"one"))
    home.parent.unlink()
    time.sleep(0.1)
    tend(out, lock)
    out.append(frame(b"two"))
    assert [said(path) for path in sorted(home.glob("*.journal"))] == [[b"one"], [b"two"]]
    assert out.count == 2
    assert len(out.close()) == 2
    assert len(caplog.records) == 1


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be deleted")
def test_a_deleted_folder_is_made_again_and_holds_what_is_not_delivered(
    shipper: Shipper, endpoint: Endpoint, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "TEND", 0.05)
    endpoint.trouble("answer", status=503, times=10_000)
    run = begun(shipper, endpoint)
    shipper.emit(Params(run, 1, {"a": "1"}))
    shutil.rmtree(journal.parent)
    deadline = time.monotonic() + 10
    while len(list(journal.glob("*.journal"))) < 2 and time.monotonic() < deadline:
        shipper.emit(Tags(run, 2, {"b": "2"}))
        time.sleep(0.05)
    kept = [decode(each) for path in sorted(journal.glob("*.journal")) for each in said(path)]
    assert kept[:2] == [RunStarted(run, 1, endpoint.uri, "fit"), Params(run, 1, {"a": "1"})]
    assert Tags(run, 2, {"b": "2"}) in kept
    endpoint.troubles.clear()
    assert shipper.flush(20)
    assert endpoint.ledger.named("fit").params == {"a": "1"}


def test_a_folder_ignores_itself_and_nothing_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for home in (tmp_path / ".fitscribe", tmp_path / "new", tmp_path / "mine"):
        out = Segments(home / "journal", nothing)
        out.append(frame(b"one"))
        out.close()
        assert (home / "journal" / ".gitignore").read_text() == "*\n"
    assert [(tmp_path / name / ".gitignore").exists() for name in (".fitscribe", "new", "mine")] == [True, True, False]


def test_what_comes_after_a_segment_that_was_delivered_whole_is_delivered_too(
    shipper: Shipper, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "LIMIT", 10)
    run = begun(shipper, endpoint)
    for number in range(5):
        assert shipper.flush(5)
        shipper.emit(Tags(run, 1, {f"t{number}": "x"}))
    deadline = time.monotonic() + 5
    while shipper.pending() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert shipper.pending() == 0
    assert "t4" in endpoint.ledger.named("fit").tags


# damage


def test_a_damaged_record_costs_itself_alone_and_is_told_of(
    shipper: Shipper, endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.trouble("answer", status=503, times=10_000)
    run = begun(shipper, endpoint)
    for number in range(5):
        shipper.emit(Tags(run, 1, {f"t{number}": "x"}))
    (path,) = journal.glob("*.journal")
    with path.open("r+b") as file:
        content = file.read()
        file.seek(content.index(b"t2"))
        file.write(b"??")
    endpoint.troubles.clear()
    assert shipper.flush(20)
    tags = endpoint.ledger.named("fit").tags
    assert [name for name in tags if name.startswith("t")] in (["t0", "t1", "t3", "t4"], ["t0", "t1", "t2", "t3", "t4"])
    assert ("is damaged at byte" in caplog.text) is ("t2" not in tags)


def test_what_waits_outlives_a_power_failure(
    shipper: Shipper, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "TEND", 0.02)
    synced: list[str] = []
    real = segment._sync

    def sync(file: int) -> None:
        synced.append(threading.current_thread().name)
        real(file)

    monkeypatch.setattr(segment, "_sync", sync)
    endpoint.trouble("answer", status=503, times=10_000)
    run = begun(shipper, endpoint)
    deadline = time.monotonic() + 10
    while len(synced) < 3 and time.monotonic() < deadline:
        shipper.emit(Metrics(run, 1, 1, {"loss": 1.0}))
        time.sleep(0.01)
    assert len(synced) >= 3
    assert set(synced) == {"fitscribe"}
    endpoint.troubles.clear()
    assert shipper.flush(20)


# the limit


@pytest.mark.parametrize(("text", "size"), [("77", 77), ("500MB", 5 * 10**8), ("1.5 GiB", 3 << 29), ("10g", 10**10)])
def test_the_limit_may_be_said_in_units(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSCRIBE_JOURNAL_LIMIT", text)
    configure()
    assert settings().journal_limit == size


def test_a_limit_that_is_no_size_says_what_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSCRIBE_JOURNAL_LIMIT", "much")
    configure()
    with pytest.raises(MisuseError, match=r"FITSCRIBE_JOURNAL_LIMIT='much' is no size; write bytes, or 500MB"):
        settings()


def test_over_the_limit_files_and_charts_are_left_out_and_the_rest_goes_on(
    endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(journal_limit=200_000)
    shipper = Shipper(journal, dialect_for)
    endpoint.trouble("answer", status=503, times=10_000)
    run = begun(shipper, endpoint)
    first = shipper.snapshot(b"x" * 150_000, "first.bin")
    shipper.emit(Artifact(run, 1, "first.bin", first))
    shipper.emit(Artifact(run, 2, "second.bin", shipper.snapshot(b"x" * 150_000, "second.bin")))
    for step in range(2000):
        shipper.emit(Metrics(run, step, step, {"loss": 0.5}))
    shipper.emit(Drawing(run, 3, "plot.png", Lines("t", "x", "y", {"a": ([1.0], [1.0])})))
    path = shipper.spool_path("model.pkl")
    path.write_bytes(b"y" * 100_000)
    shipper.emit(Artifact(run, 4, "model.pkl", shipper.spooled(path)))
    assert not path.exists()
    endpoint.troubles.clear()
    assert shipper.flush(30)
    found = endpoint.ledger.named("fit")
    assert found.tags["fitscribe.left_out"] == "second.bin, plot.png, model.pkl"
    assert [len(each) for each in endpoint.ledger.artifacts.values()] == [150_000]
    assert len(found.points["loss"]) == 2000
    assert caplog.text.count("exceeds FITSCRIBE_JOURNAL_LIMIT (200000 bytes)") == 1
    shipper.close()


def test_delivery_makes_room_again(endpoint: Endpoint, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitscribe.journal.allowance.LOOK", 0.0)
    monkeypatch.setattr("fitscribe.journal.allowance.SHARE", 0.0)
    monkeypatch.setattr(lifetime, "TEND", 0.0)
    configure(journal_limit=1_000_000)
    shipper = Shipper(journal, dialect_for)
    run = begun(shipper, endpoint)
    for number in range(6):
        shipper.emit(Artifact(run, 1, f"{number}.bin", shipper.snapshot(b"x" * 400_000, f"{number}.bin")))
        assert shipper.flush(10)
        time.sleep(0.1)
    assert len(endpoint.ledger.artifacts) == 6
    shipper.close()


def test_metrics_are_thinned_when_told_to_and_keep_their_first_and_last(
    endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(journal_limit=300_000, thin_metrics=True)
    shipper = Shipper(journal, dialect_for)
    endpoint.trouble("answer", status=503, times=10_000)
    run = begun(shipper, endpoint)
    for step in range(40_000):
        shipper.emit(Metrics(run, step, step, {"loss": float(step)}))
    shipper.emit(Params(run, 5, {"late": "yes"}))
    shipper.emit(RunEnded(run, 6, "FINISHED"))
    size = sum(each.stat().st_size for each in journal.rglob("*") if each.is_file())
    endpoint.troubles.clear()
    assert shipper.flush(30)
    shipper.close()
    found = endpoint.ledger.named("fit")
    steps = [step for _, _, step in found.points["loss"]]
    assert (steps[0], steps[-1], found.params, found.status) == (0, 39_999, {"late": "yes"}, "FINISHED")
    assert 2000 < len(steps) < 20_000
    assert size < 600_000
    assert "metric point(s) were left out to save room" in caplog.text


def test_thinning_counts_each_metric_for_itself_and_holds_the_newest() -> None:
    thinning = Thinning()
    records = [Metrics(RUN, step, step, {"a": float(step)} | ({"b": 0.5} if step == 3 else {})) for step in range(7)]
    kept = [each for record in records for each in thinning.thinned(record, 2)]
    assert [(each.step, each.values) for each in kept] == [(0, {"a": 0.0}), (3, {"b": 0.5}), (4, {"a": 4.0})]
    assert [(each.step, each.values) for each in thinning.last(RUN)] == [(6, {"a": 6.0})]
    assert (thinning.dropped, thinning.last(RUN)) == (4, [])


def test_frames_of_zeros_are_none() -> None:
    assert list(frames(bytes(4096))) == []
