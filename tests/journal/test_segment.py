import subprocess
import sys
from pathlib import Path

import pytest

from fitscribe.dialects import Address
from fitscribe.journal import locks
from fitscribe.journal.segment import MAGIC, Segment, acknowledged, addresses, frame, frames, payloads


def test_a_segment_is_understood_from_its_files_alone(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "s.journal")
    segment.append(frame(b"one"))
    first = segment.written
    segment.append(frame(b"two"))
    segment.acknowledge(first)
    segment.note(Address("ours", "http://there"))
    segment.note(Address("ours", "http://there", "theirs"))
    segment.close()
    with segment.path.open("ab") as file:
        file.write(frame(b"torn")[:-1])
    assert payloads(segment.path) == [b"one", b"two"]
    assert payloads(segment.path, acknowledged(segment.path)) == [b"two"]
    assert addresses(segment.path) == [Address("ours", "http://there", "theirs")]


def test_a_file_that_is_no_journal_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "s.journal").write_bytes(b"something else")
    assert (payloads(tmp_path / "s.journal"), acknowledged(tmp_path / "s.journal")) == ([], len(MAGIC))


def test_an_acknowledgement_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "s.journal")
    segment.append(frame(b"one"))
    segment.close()
    for words in (b"00000000000000009999\n", b"\0" * 21, b""):
        segment.path.with_suffix(".ack").write_bytes(words)
        assert acknowledged(segment.path) == len(MAGIC)


def test_a_record_larger_than_the_window_is_read_whole(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "s.journal")
    segment.append(frame(b"x" * 1000))
    segment.append(frame(b"y"))
    assert [payload for payload, _ in frames(segment.window(100))] == [b"x" * 1000]
    segment.remove()
    assert list(tmp_path.glob("s.*")) == []


HOLD = """
import sys
from pathlib import Path
from fitscribe.journal import locks
locks.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    assert not locks.held(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert locks.held(path)
        with pytest.raises(OSError, match=r".+"):
            locks.hold(path)
        other.kill()
        other.wait()
    assert not locks.held(path)
    locks.hold(path)
    assert locks.held(path)
    assert locks.held(path), "asking does not let go"
    locks.let_go(path)
    assert not path.exists()
