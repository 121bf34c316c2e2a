"""Artifacts by every road that a real MLflow server asks for: in parts to S3 behind it, to S3 directly, to a folder."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fitscribe.client import Client
from fitscribe.config import configure
from fitscribe.dialects import dialect_for
from fitscribe.records import Artifact, RunEnded, RunStarted, new_id, now
from fitscribe.shipping.shipper import Shipper
from integration.server import Server

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
SIZE = 24_000_000


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 on loopback, with the bucket `runs`."""
    pytest.importorskip("moto.server", reason="an S3 on loopback needs moto[server]")
    pytest.importorskip("s3fs", reason="S3 needs fitscribe[s3]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tmp_path_factory.mktemp("moto").joinpath("log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | KEYS)
    try:
        _listening(port)
        _s3(f"http://127.0.0.1:{port}").mkdir("runs")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _listening(port: int) -> None:
    for _ in range(120):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.5)


def _s3(address: str) -> Any:
    import s3fs

    return s3fs.S3FileSystem(key="x", secret="y", endpoint_url=address, use_listings_cache=False)


@contextlib.contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    server = Server(folder, *options, **variables)
    try:
        server.start()
        yield server.uri
    finally:
        server.stop()


@pytest.fixture
def keys(s3: str, monkeypatch) -> dict[str, str]:
    variables = KEYS | {"MLFLOW_S3_ENDPOINT_URL": s3}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def recorded(uri: str, tmp_path: Path) -> tuple[Client, str, bytes]:
    """Log a large file twice and a small one in a folder, and let the first ones be changed and removed."""
    configure(exit_patience=60)  # the server is silent while it puts a file into its store
    file, content = tmp_path / "model.bin", os.urandom(SIZE)
    shipper, run = Shipper(tmp_path / "journal", dialect_for), new_id()
    shipper.emit(RunStarted(run, now(), uri, "roads"))
    for each in (b"first", content):
        file.write_bytes(each)
        shipper.emit(Artifact(run, now(), "models/a b/model.bin", shipper.snapshot(file, "model.bin")))
        file.unlink()
    shipper.emit(Artifact(run, now(), "note.txt", shipper.snapshot(b"note", "note.txt")))
    shipper.emit(RunEnded(run, now(), "FINISHED"))
    assert shipper.flush(60)
    theirs = shipper.theirs(run, 10)
    shipper.close()
    assert not list((tmp_path / "journal").rglob("*model.bin"))
    return Client(uri), theirs, content


def read_back(client: Client, run: str, content: bytes, tmp_path: Path) -> None:
    assert [each.path for each in client.list_artifacts(run)] == ["models", "note.txt"]
    (found,) = client.list_artifacts(run, "models/a b")
    assert (found.path, found.file_size) == ("models/a b/model.bin", SIZE)
    place = Path(client.download_artifacts(run, "", tmp_path / "all"))
    files = {each.relative_to(place).as_posix(): each for each in place.rglob("*") if each.is_file()}
    assert sorted(files) == ["models/a b/model.bin", "note.txt"]
    assert files["models/a b/model.bin"].read_bytes() == content
    assert files["note.txt"].read_bytes() == b"note"


def read_by_mlflow(uri: str, run: str, content: bytes, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    place = MlflowClient(uri).download_artifacts(run, "models/a b/model.bin", str(tmp_path))
    assert Path(place).read_bytes() == content


def test_a_server_with_s3_behind_it_gets_large_files_in_parts(s3, keys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "10000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    with serving(tmp_path, "--artifacts-destination", "s3://runs/behind", **keys) as uri:
        client, run, content = recorded(uri, tmp_path)
        read_back(client, run, content, tmp_path)
        read_by_mlflow(uri, run, content, tmp_path)
    (there,) = [each for each in _s3(s3).find("runs/behind", detail=True).values() if each["size"] == SIZE]
    assert there["ETag"].endswith('-5"')  # of five parts


def test_a_server_that_names_s3_gets_files_by_the_users_own_credentials(s3, keys, tmp_path) -> None:
    with serving(tmp_path, "--default-artifact-root", "s3://runs/direct", "--no-serve-artifacts", **keys) as uri:
        client, run, content = recorded(uri, tmp_path)
        read_back(client, run, content, tmp_path)
        read_by_mlflow(uri, run, content, tmp_path)
    assert _s3(s3).find("runs/direct")


def test_a_server_that_names_a_folder_of_this_machine_sees_the_files_there(tmp_path) -> None:
    root = tmp_path / "shared store"
    root.mkdir()
    with serving(tmp_path, "--default-artifact-root", str(root), "--no-serve-artifacts") as uri:
        client, run, content = recorded(uri, tmp_path)
        read_back(client, run, content, tmp_path)
        read_by_mlflow(uri, run, content, tmp_path)
    assert list(root.rglob("model.bin"))
