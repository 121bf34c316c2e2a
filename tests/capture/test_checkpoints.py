"""Checkpoints: copied into the run once, or recorded by path and hash where they are large."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from fitscribe import config
from fitscribe.records import Artifact
from fitscribe.run import Run


def paths(recorder):
    return [record.path for record in recorder.said if isinstance(record, Artifact)]


def limited(monkeypatch, size):
    monkeypatch.setenv("FITSCRIBE_MODEL_LIMIT", size)
    config.configure()


def test_checkpoint_is_copied_once_for_each_state_of_it(recorder):
    run, file = Run.start("r"), Path("last.ckpt")
    file.write_bytes(b"one")
    for _ in range(3):
        run.log_checkpoint(file, "checkpoints/last.ckpt")
    assert paths(recorder) == ["checkpoints/last.ckpt"]
    file.write_bytes(b"three")
    run.log_checkpoint(str(file), "checkpoints/last.ckpt")
    assert paths(recorder) == ["checkpoints/last.ckpt"] * 2
    run.log_checkpoint(file, "checkpoints/best.ckpt")
    assert paths(recorder)[2:] == ["checkpoints/best.ckpt"]
    run.end()


def test_another_run_has_a_copy_of_its_own(recorder):
    Path("last.ckpt").write_bytes(b"one")
    for _ in range(2):
        run = Run.start("r")
        run.log_checkpoint("last.ckpt", "last.ckpt")
        run.end()
    assert len(paths(recorder)) == 2


def test_large_checkpoint_is_recorded_by_path_and_hash_and_the_log_says_how_to_copy_it(recorder, monkeypatch, caplog):
    limited(monkeypatch, "1MB")
    run, file = Run.start("r"), Path("last.ckpt")
    file.write_bytes(bytes(1_000_001))
    for _ in range(2):
        run.log_checkpoint(file, "last.ckpt")
    run.end()
    ((path, content),) = recorder.artifacts(recorder.run()).items()
    assert path == "last.ckpt.reference.json"
    said = json.loads(content)
    assert said.pop("host")
    assert said.pop("modified") == file.stat().st_mtime_ns // 1_000_000
    digest = hashlib.sha256(bytes(1_000_001)).hexdigest()
    assert said == {"path": os.path.abspath(file), "size": 1_000_001, "sha256": digest}
    (words,) = [record.getMessage() for record in caplog.records]
    assert "last.ckpt has 1 MB, more than the limit of 1 MB: the run has its path and hash" in words
    assert "FITSCRIBE_MODEL_LIMIT=0 copies files of every size" in words


def test_limit_is_500_megabytes_and_none_where_it_is_asked_for(recorder, monkeypatch):
    assert config.settings().model_limit == 500_000_000
    limited(monkeypatch, "0")
    run = Run.start("r")
    Path("last.ckpt").write_bytes(bytes(1_000_001))
    run.log_checkpoint("last.ckpt", "last.ckpt")
    run.end()
    assert paths(recorder) == ["last.ckpt"]


def test_large_checkpoint_that_is_gone_before_it_was_read_has_no_hash(recorder, monkeypatch):
    limited(monkeypatch, "1KB")
    run, file = Run.start("r"), Path("last.ckpt")
    file.write_bytes(bytes(2000))
    busy = threading.Event()
    run.later(lambda: busy.wait(30))
    run.log_checkpoint(file, "last.ckpt")
    file.unlink()
    busy.set()
    run.end()
    said = json.loads(recorder.artifacts(recorder.run())["last.ckpt.reference.json"])
    assert (said["size"], said["sha256"]) == (2000, None)
