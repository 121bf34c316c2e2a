"""The roads of artifacts: in parts to a server's store, to a folder that two machines share, to an object store."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import msgspec
import pytest

from fitscribe.dialects import AddressBook, Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.dialects.shared import SharedFolders
from fitscribe.errors import TransportError
from fitscribe.records import Artifact, Metrics, RunStarted
from fitscribe.testing.endpoint import Endpoint
from fitscribe.testing.ledger import Ledger

RUN = "a" * 32
THEIRS = f"{1:032x}"
SIZE = 11_000_000  # two whole parts of the smallest size, and a bit


class Bucket:
    """An object store on loopback that takes parts, and fails when told to."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.troubles: list[int] = []
        self.headers: list[dict[str, str]] = []
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                bucket.headers.append(dict(self.headers.items()))
                status = bucket.troubles.pop(0) if bucket.troubles else 200
                if status == 200:
                    bucket.parts[self.path] = content
                self.send_response(status)
                self.send_header("ETag", f'"{len(bucket.parts)}"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Signing(Ledger):
    """A tracking server with an object store behind it."""

    def __init__(self, bucket: str) -> None:
        super().__init__("mlflow-artifacts:")
        self.bucket, self.uploads = bucket, 0
        self.ended: list[tuple[str, str, Any]] = []

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if "/mpu/" not in path:
            return super().handle(method, path, body)
        what, folder = path.partition("/mpu/")[2].split("/", 1)
        body = msgspec.json.decode(body) if isinstance(body, bytes) else body
        if what == "create":
            self.uploads += 1
            signed = f"{self.bucket}/{folder}/{body['path']}?upload={self.uploads}&part="
            parts = [{"url": f"{signed}{n}", "part_number": n, "headers": {}} for n in range(1, body["num_parts"] + 1)]
            return 200, {"upload_id": str(self.uploads), "credentials": parts}
        self.ended.append((what, f"{folder}/{body['path']}", body))
        return 200, {}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    opened = Bucket()
    yield opened
    opened.close()


@pytest.fixture
def signing(endpoint: Endpoint, bucket: Bucket, monkeypatch) -> Signing:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "10000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "1")  # becomes the smallest that stores take
    endpoint.ledger = Signing(bucket.uri)
    return endpoint.ledger


@pytest.fixture
def upload(mlflow: MLflow, parcel: Callable[..., Parcel], endpoint: Endpoint, tmp_path: Path) -> Parcel:
    (tmp_path / "kept").write_bytes(bytes(range(250)) * (SIZE // 250))
    started = RunStarted(RUN, 1, endpoint.uri, name="parts")
    return parcel(started, Artifact(RUN, 2, "models/big model.bin", "kept"), Metrics(RUN, 3, 0, {"a": 1.0}))


def whole(bucket: Bucket) -> bytes:
    return b"".join(content for _, content in sorted(bucket.parts.items()))


def puts(endpoint: Endpoint) -> list[str]:
    return [path for path in endpoint.paths() if path.startswith("PUT")]


def test_a_large_file_goes_in_parts_to_the_store_behind_the_server(signing, bucket, mlflow, upload, tmp_path) -> None:
    mlflow.write(upload)
    assert whole(bucket) == (tmp_path / "kept").read_bytes()
    ((what, path, body),) = signing.ended
    assert (what, path) == ("complete", f"0/{THEIRS}/artifacts/models/big model.bin")
    assert [(part["part_number"], part["etag"]) for part in body["parts"]] == [(1, '"1"'), (2, '"2"'), (3, '"3"')]
    assert not any("Authorization" in headers for headers in bucket.headers)
    assert not upload.refused


def test_an_upload_that_breaks_off_goes_on_with_the_part_that_failed(signing, bucket, mlflow, upload, endpoint) -> None:
    bucket.troubles = [200, 503]
    with pytest.raises(TransportError, match="answered 503 to a part"):
        mlflow.write(upload)
    assert endpoint.ledger.named("parts").points  # what is said beside it was not held up
    mlflow.write(upload)
    assert (signing.uploads, len(bucket.headers), [each[0] for each in signing.ended]) == (1, 4, ["complete"])


@pytest.mark.parametrize("troubles", [[403], [200, 403]])
def test_a_store_that_refuses_a_part_gets_the_file_by_the_server(
    signing, bucket, mlflow, upload, endpoint, troubles, tmp_path
) -> None:
    bucket.troubles = troubles
    mlflow.write(upload)
    assert [each[0] for each in signing.ended] == ["abort"]
    assert signing.artifacts[f"0/{THEIRS}/artifacts/models/big model.bin"] == (tmp_path / "kept").read_bytes()


def test_a_store_that_cannot_be_reached_from_here_is_not_asked_again(
    signing, bucket, mlflow, upload, endpoint, parcel
) -> None:
    bucket.close()
    mlflow.write(upload)
    mlflow.write(parcel(Artifact(RUN, 4, "second", "kept")))
    assert (signing.uploads, len(puts(endpoint))) == (1, 2)


def test_a_server_without_multipart_upload_is_asked_once(mlflow, upload, endpoint, parcel, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "10000000")
    endpoint.trouble("answer", "/mpu/", status=501, body={"error_code": "NOT_IMPLEMENTED", "message": "no"}, times=9)
    mlflow.write(upload)
    mlflow.write(parcel(Artifact(RUN, 4, "second", "kept")))
    assert sum("/mpu/" in path for path in endpoint.paths()) == 1
    assert len(puts(endpoint)) == 2


def test_it_can_be_switched_off_by_mlflows_variable(signing, mlflow, upload, endpoint, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")
    mlflow.write(upload)
    assert (signing.uploads, len(puts(endpoint))) == (0, 1)


# folders


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Endpoint]:
    (tmp_path / "mlruns").mkdir()
    with Endpoint(artifacts=str(tmp_path / "mlruns")) as served:
        yield served


def written(server: Endpoint, tmp_path: Path) -> tuple[Parcel, MLflow]:
    from fitscribe.dialects import Address
    from fitscribe.transport.http import Http

    (tmp_path / "kept").write_bytes(b"content")
    records = [RunStarted(RUN, 1, server.uri, name="shared"), Artifact(RUN, 2, "a/b.txt", "kept")]
    parcel = Parcel(RUN, server.uri, records, AddressBook([Address(RUN, server.uri)]), [tmp_path])
    return parcel, MLflow(Http(server.uri), server.uri)


LIST = "/api/2.0/mlflow/artifacts/list"


def test_a_folder_that_the_server_sees_too_gets_a_copy(server: Endpoint, tmp_path: Path) -> None:
    parcel, mlflow = written(server, tmp_path)
    files = [{"path": "a/b.txt", "is_dir": False, "file_size": 7}]
    server.trouble("answer", "artifacts/list", status=200, body={"files": files})
    mlflow.write(parcel)
    mlflow.close()
    assert not parcel.refused
    assert (tmp_path / "mlruns" / "0" / THEIRS / "artifacts" / "a" / "b.txt").read_bytes() == b"content"
    assert [each.body for each in server.requests if each.path == LIST] == [{"run_id": THEIRS, "path": "a"}]


def test_a_folder_of_the_servers_machine_alone_is_refused_and_nothing_is_left_here(
    server: Endpoint, tmp_path: Path
) -> None:
    parcel, mlflow = written(server, tmp_path)
    server.trouble("answer", "artifacts/list", status=200, body={}, times=9)
    mlflow.write(parcel)
    mlflow.close()
    (refusal,) = parcel.refused
    assert "is a folder of the server's machine, and another one here" in refusal.why
    assert "start the server with --serve-artifacts" in refusal.why
    assert list((tmp_path / "mlruns").iterdir()) == []


def test_another_machine_may_take_a_while_to_see_a_file(server: Endpoint, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fitscribe.dialects.shared.loopback", lambda uri: False)
    parcel, mlflow = written(server, tmp_path)
    server.trouble("answer", "artifacts/list", status=200, body={})
    with pytest.raises(TransportError, match="does not see"):
        mlflow.write(parcel)
    files = [{"path": "a/b.txt", "is_dir": False, "file_size": 7}]
    server.trouble("answer", "artifacts/list", status=200, body={"files": files})
    mlflow.write(parcel)
    mlflow.close()
    assert not parcel.refused
    assert isinstance(mlflow.files._shared, SharedFolders)


# object stores


@pytest.fixture
def stored() -> Iterator[Endpoint]:
    with Endpoint(artifacts="memory://bucket/runs") as served:
        yield served
    fsspec.filesystem("memory").store.clear()


def test_an_object_store_gets_files_and_gives_them_back(stored: Endpoint, tmp_path: Path) -> None:
    from fitscribe.reading.stores import StoreFolder

    parcel, mlflow = written(stored, tmp_path)
    mlflow.write(parcel)
    mlflow.files.put(parcel, "a/b.txt", b"the later one wins")
    mlflow.files.put(parcel, "note.txt", b"note")
    mlflow.close()
    assert not parcel.refused
    folder = StoreFolder(f"memory://bucket/runs/0/{THEIRS}/artifacts", THEIRS)
    assert [(each.path, each.is_dir, each.file_size) for each in folder.files("")] == [
        ("a", True, None),
        ("note.txt", False, 4),
    ]
    assert [(each.path, each.file_size) for each in folder.files("a")] == [("a/b.txt", 18)]
    assert folder.files("note.txt") == folder.files("nothing") == []
    place = folder.download("", tmp_path / "all")
    assert {each.relative_to(place).as_posix() for each in place.rglob("*")} == {"a", "a/b.txt", "note.txt"}
    assert folder.download("a/b.txt", tmp_path).read_bytes() == b"the later one wins"


def test_a_missing_extra_is_named_and_the_files_wait_for_it(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with Endpoint(artifacts="s3://kim:secret@bucket/runs") as server:
        parcel, mlflow = written(server, tmp_path)
        for _ in range(2):
            with pytest.raises(TransportError, match=r'pip install "fitscribe\[s3\]"') as raised:
                mlflow.write(parcel)
        mlflow.close()
    assert raised.value.wait > 0
    assert not parcel.refused
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    assert urlsplit(server.uri).port


def test_nothing_of_the_store_is_imported_with_the_dialect() -> None:
    import subprocess

    code = "import sys, fitscribe.dialects.mlflow; print('fsspec' in sys.modules, 'requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
