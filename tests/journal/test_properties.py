"""The journal's promises, for any records, any damage, any number of restarts."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitscribe.dialects import dialect_for
from fitscribe.dialects.parcels import addressed
from fitscribe.journal import segments
from fitscribe.journal.frames import frame, frames
from fitscribe.journal.remains import left_behind
from fitscribe.journal.segment import MAGIC, acknowledged, payloads
from fitscribe.journal.segments import Segments
from fitscribe.journal.upkeep import tend
from fitscribe.records import Metrics, Params, Record, RunEnded, RunStarted, Tags, decode, encode
from fitscribe.shipping.courier import Courier
from fitscribe.shipping.recovery import deliver
from fitscribe.testing.endpoint import Endpoint

keys = st.text("abc", min_size=1, max_size=3)
some = st.one_of(
    st.builds(Params, st.just("a" * 32), st.just(1), st.dictionaries(keys, st.text(max_size=30), max_size=3)),
    st.builds(
        Metrics, st.just("a" * 32), st.integers(0, 9), st.integers(0, 300),
        st.dictionaries(keys, st.floats(allow_nan=False), max_size=3),
    ),
    st.builds(Tags, st.just("b" * 32), st.just(2), st.dictionaries(keys, st.text(max_size=9), max_size=2)),
    st.builds(RunEnded, st.just("b" * 32), st.just(3), st.just("FINISHED")),
)  # fmt: skip
streams = st.lists(some, max_size=12)


def packed(records: list[Record]) -> bytes:
    return b"".join(frame(encode(record)) for record in records)


def read(content: bytes) -> list[Record]:
    return [decode(payload) for payload, _ in frames(content)]


@given(streams, st.data())
def test_any_prefix_of_a_stream_reads_back_to_a_prefix_of_the_records(written: list[Record], data: st.DataObject):
    stream = packed(written)
    cut = data.draw(st.integers(0, len(stream)))
    there = read(stream[:cut])
    assert there == written[: len(there)]
    assert len(packed(written[: len(there) + 1])) > cut or len(there) == len(written)


@given(streams.filter(bool), st.data())
def test_a_damaged_byte_costs_the_one_record_that_it_is_in(written: list[Record], data: st.DataObject):
    stream = bytearray(packed(written))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    hit = next(number for number in range(len(written)) if len(packed(written[: number + 1])) > place)
    skipped: list[tuple[int, int]] = []
    there = [decode(payload) for payload, _ in frames(bytes(stream), 0, lambda *where: skipped.append(where))]
    assert there == written[:hit] + written[hit + 1 :]
    start = len(packed(written[:hit]))
    assert skipped == ([(start, len(packed(written[: hit + 1])) - start)] if hit + 1 < len(written) else [])


@given(streams, streams, st.binary(max_size=200) | st.integers(0, 5000).map(bytes))
def test_what_comes_after_a_stretch_of_garbage_or_zeros_is_read(
    before: list[Record], after: list[Record], garbage: bytes
):
    assert read(packed(before) + garbage + packed(after)) == before + after


@given(st.binary(max_size=500))
def test_bytes_that_are_no_journal_are_no_records_and_no_error(content: bytes):
    assert [payload for payload, _ in frames(content)] == []


words = st.lists(
    st.tuples(st.just("write"), st.integers(1, 3000))
    | st.tuples(st.just("read"), st.integers(1, 5000))
    | st.tuples(st.just("delete"), st.just(0)),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 5000), words)
def test_segments_of_any_size_give_each_record_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, script: list[tuple[str, int]]
):
    monkeypatch.setattr(segments, "LIMIT", limit)
    folder, lock = Path(tempfile.mkdtemp(dir=tmp_path)) / "journal", threading.RLock()
    out = Segments(folder, lambda segment: None)
    written: list[bytes] = []
    there: list[bytes] = []

    def take(most: int) -> None:
        while (segment := out.front()) is not None and segment.acked < segment.written:
            found = list(frames(segment.window(most)))
            there.extend(payload for payload, _ in found)
            segment.acknowledge(segment.acked + found[-1][1])
            out.advance()

    for what, size in script:
        if what == "write":
            written.append(bytes([len(written) % 250 + 1]) * size)
            out.append(frame(written[-1]))
        elif what == "read":
            take(size)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            tend(out, lock)
    assert out.count == len(written)
    for path in out.close():
        there.extend(payloads(path, acknowledged(path)))
    assert there == written
    assert out.lost == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=3), st.booleans(), st.integers(100, 4000))
def test_any_number_of_restarts_at_any_acknowledgement_leave_the_server_as_one_delivery_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, restarts: list[int], known: bool, limit: int
):
    monkeypatch.setattr(segments, "LIMIT", limit)
    folder = Path(tempfile.mkdtemp(dir=tmp_path)) / "journal"
    with Endpoint() as endpoint:
        start = RunStarted("a" * 32, 1, endpoint.uri, "fit")
        records: list[Record] = [start, Params(start.run, 2, {"lr": "0.1"})]
        records += [Metrics(start.run, 3 + step, step, {"loss": 1 / (step + 1)}) for step in range(steps)]
        records += [Tags(start.run, 900, {"done": "yes"}), RunEnded(start.run, 901, "FINISHED")]
        out = Segments(folder, lambda segment: segment.note(addressed(start)))
        for record in records:
            out.append(frame(encode(record)))
        out.close()
        copy = shutil.copytree(folder, folder.with_name("copy"))
        for ack in [0, *restarts]:
            again(folder, copy, ack, known)
        (run,) = endpoint.ledger.runs.values()
    assert (run.status, run.params, run.tags["done"]) == ("FINISHED", {"lr": "0.1"}, "yes")
    assert run.points == {"loss": [(1 / (step + 1), 3 + step, step) for step in range(steps)]}


def again(folder: Path, copy: Path, ack: int, known: bool) -> None:
    """Bring back what was delivered, up to the record number `ack` of the first segment, and deliver it once more."""
    for file in copy.iterdir():
        if known or file.suffix != ".runs":
            shutil.copy(file, folder)
    first = min(folder.glob("*.journal"))
    ends = [len(MAGIC) + end for _, end in frames(first.read_bytes()[len(MAGIC) :])]
    if ack and ack <= len(ends):
        first.with_suffix(".ack").write_bytes(b"%020d\n" % ends[ack - 1])
    for left in left_behind(folder):
        deliver(left, Courier(dialect_for, folder))
