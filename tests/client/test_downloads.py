"""Artifacts: listed and fetched, from a server or from a folder, and never to another place than was asked for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from fitscribe import artifacts
from fitscribe.client import Client
from fitscribe.config import configure
from fitscribe.entities import FileInfo
from fitscribe.errors import MisuseError, NotBuiltYet, NotFoundError, ServerError, TransportError
from fitscribe.reading import downloads, places
from fitscribe.reading.downloads import LocalFolder, ServedFolder
from fitscribe.reading.endpoint import close_transports
from fitscribe.transport import Answer

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"
ID = "0123456789abcdef" * 2


def run_at(artifact_uri: str) -> dict[str, object]:
    return {"run": {"info": {"run_id": ID, "artifact_uri": artifact_uri}}}


class Shelf:
    """A server's artifact routes over a dict of path to content."""

    def __init__(self, contents: dict[str, bytes], artifact_uri: str = f"mlflow-artifacts:/1/{ID}/artifacts") -> None:
        self.contents, self.artifact_uri = contents, artifact_uri
        self.root = artifact_uri.partition(":/")[2]

    def send(self, method: str, path: str, body: object = None) -> Answer:
        if path == "/api/2.0/mlflow/runs/get":
            return Answer(200, run_at(self.artifact_uri))
        if path == ROUTE:
            return Answer(200, {"files": self.listed(body["path"])})
        found = self.contents.get(path.removeprefix(f"{ROUTE}/{self.root}/").replace("%20", " "))
        return Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}) if found is None else Answer(200, found)

    def listed(self, folder: str) -> list[dict[str, object]]:
        inside = folder.removeprefix(self.root).strip("/")
        below = [path.removeprefix(inside).strip("/") for path in self.contents if path.startswith(inside)]
        names = {path.partition("/")[0]: "/" in path for path in below if path}
        sizes = {path: len(self.contents[f"{inside}/{path}".strip("/")]) for path in below if path and "/" not in path}
        return [{"path": n, "is_dir": d} | ({"file_size": sizes[n]} if sizes.get(n) else {}) for n, d in names.items()]

    def close(self) -> None:
        return None


TREE = {"b.txt": b"bee", "a/x.json": b'{"x": 1}', "a/deep/empty": b"", "a/with space.txt": b"s"}


@pytest.fixture
def served() -> Client:
    return Client("http://tracking.test", transport=Shelf(TREE))


@pytest.fixture
def local(tmp_path: Path) -> Client:
    stored = tmp_path / "kept here" / ID / "artifacts"
    for path, content in TREE.items():
        (stored / path).parent.mkdir(parents=True, exist_ok=True)
        (stored / path).write_bytes(content)
    return Client("http://127.0.0.1:5", transport=Shelf({}, stored.as_uri()))


@pytest.fixture(params=["served", "local"])
def client(request: pytest.FixtureRequest) -> Client:
    return request.getfixturevalue(request.param)


def contents(folder: str | Path) -> dict[str, bytes]:
    root = Path(folder)
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_lists(client):
    assert client.list_artifacts(ID) == [FileInfo("a", True), FileInfo("b.txt", False, 3)]
    assert client.list_artifacts(ID, "a/") == [
        FileInfo("a/deep", True),
        FileInfo("a/with space.txt", False, 1),
        FileInfo("a/x.json", False, 8),
    ]
    assert client.list_artifacts(ID, "a/deep") == [FileInfo("a/deep/empty", False, 0)]
    assert client.list_artifacts(ID, "nothing/here") == []


def test_a_file_a_folder_and_everything(client, tmp_path):
    there = tmp_path / "new" / "folder"
    assert client.download_artifacts(ID, "a/x.json", there) == str(there / "x.json")
    assert client.download_artifacts(ID, "a", there) == str(there / "a")
    assert contents(there) == {"x.json": b'{"x": 1}'} | {path: TREE[path] for path in TREE if path.startswith("a/")}
    assert client.download_artifacts(ID, dst_path=tmp_path / "all") == str(tmp_path / "all")
    assert contents(tmp_path / "all") == TREE


def test_without_a_place_a_server_fills_a_new_folder(served):
    place = Path(served.download_artifacts(ID, "a"))
    assert contents(place) == {path[2:]: content for path, content in TREE.items() if path.startswith("a/")}
    assert place.name == "a"


def test_without_a_place_a_folder_of_this_machine_is_given_itself(local, tmp_path):
    stored = tmp_path / "kept here" / ID / "artifacts"
    assert local.download_artifacts(ID, "a/x.json") == str(stored / "a" / "x.json")
    assert local.download_artifacts(ID) == str(stored)


def test_what_is_not_there_is_named_and_leaves_nothing(client, tmp_path):
    with pytest.raises(NotFoundError, match=f"run {ID} has no artifact 'a/nope'"):
        client.download_artifacts(ID, "a/nope", tmp_path / "place")
    assert contents(tmp_path / "place") == {}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/\0"])
def test_a_path_that_leaves_the_run_is_refused(client, path, tmp_path):
    with pytest.raises(MisuseError, match="must stay in the run's folder"):
        client.download_artifacts(ID, path, tmp_path / "place")
    with pytest.raises(MisuseError, match="must stay in the run's folder"):
        client.list_artifacts(ID, path)


@pytest.mark.parametrize("name", ["..", "../../evil", "/etc/evil", ".", "a/b", "x\0y", "x" * 256, "ü" * 128])
def test_a_server_that_lists_a_way_out_is_not_followed(scripted, name, tmp_path):
    listing = {"files": [{"path": name, "is_dir": False, "file_size": 1}]}
    client, transport = scripted(run_at("mlflow-artifacts:/1/r/artifacts"), listing)
    with pytest.raises(ServerError, match="no name of a file"):
        client.download_artifacts(ID, "", tmp_path / "place")
    assert len(transport.sent) == 2
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "name",
    ["C:evil", "a\\b", "..\\x", "NUL", "con.txt", "Com1", "lpt9.a.b", "aux .x", "x.", "x ", "a:stream", "a\nb", "?"],
)
def test_a_name_that_is_another_thing_on_windows_is_no_name_there(name):
    with pytest.raises(ServerError, match="no name of a file"):
        places.safe(name, windows=True)


@pytest.mark.parametrize("name", ["console.txt", "com10", "a.nul", ".hidden", "x y", "aux-data", "ü.pkl"])
def test_a_plain_name_is_one_on_every_system(name):
    assert places.safe(name, windows=True) == places.safe(f"{name}/", windows=False) == name


def test_a_server_that_lists_no_end_of_folders_is_left(tmp_path, monkeypatch):
    class Endless(Shelf):
        asked = 0

        def listed(self, folder):
            self.asked += 1
            return [{"path": name, "is_dir": True} for name in "ab"]

    monkeypatch.setattr(downloads, "MOST", 100)
    endless = Endless({})
    with pytest.raises(ServerError, match=rf"http://tracking\.test lists no end of folders for run {ID}"):
        Client("http://tracking.test", transport=endless).download_artifacts(ID, "", tmp_path)
    assert endless.asked <= 101


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_folder_with_links_in_a_circle_is_copied_once(tmp_path):
    root, far = tmp_path / "root", tmp_path / "far"
    for place in (root / "a", far):
        place.mkdir(parents=True)
        (place / "f").write_text("1")
    for name, to in (("up", root), ("self", root / "a"), ("far", far)):
        (root / "a" / name).symlink_to(to)
    (far / "back").symlink_to(root)
    (far / "itself").symlink_to(far)
    copy = LocalFolder(root, "run r").download("", tmp_path / "copy")
    assert contents(copy) == {"a/f": b"1", "a/far/f": b"1"}


def test_a_download_that_breaks_off_leaves_no_half_file(scripted, tmp_path):
    client, _ = scripted(run_at("mlflow-artifacts:/1/r/artifacts"), {}, Answer(403, b"no"))
    with pytest.raises(ServerError, match="refused the credentials"):
        client.download_artifacts(ID, "big.bin", tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("artifact_uri", "words"),
    [
        ("http://kim:secret@host/1", f"of run {ID} lie in http: \\(http://host/1\\); this version reads"),
        ("/srv/mlruns/1/artifacts", "a folder of the machine that serves http://tracking.test; start that server"),
        ("file:///srv/mlruns/1", "a folder of the machine that serves http://tracking.test; start that server"),
        ("mlflow-artifacts://other:5000/1", "lie in mlflow-artifacts:"),
        ("", "lie nowhere that the server tells"),
    ],
)
def test_stores_that_cannot_be_read_are_named(scripted, artifact_uri, words):
    client, _ = scripted(run_at(artifact_uri))
    with pytest.raises(NotBuiltYet, match=words):
        client.list_artifacts(ID)


def test_a_bare_path_of_a_server_on_this_machine_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"1")
    client = Client("http://localhost:5", transport=Shelf({}, str(tmp_path)))
    assert client.list_artifacts(ID) == [FileInfo("f", False, 1)]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (f"runs:/{ID}/a/b.txt", "a/b.txt"),
        (f"runs:/{ID}", ""),
        (f"mlflow-artifacts:/1/{ID}/artifacts/a/b.txt", "a/b.txt"),
        (f"mlflow-artifacts:/1/{ID}/artifacts", ""),
        (f"file:///home/kim/artifacts/0/{ID}/artifacts/artifacts/a%20b", "artifacts/a b"),
        (f"/srv/artifacts/0/{ID}/artifacts/x", "x"),
        (f"s3://bucket/0/{ID}/artifacts/a/b.txt", "a/b.txt"),
        (f"C:\\runs\\{ID}\\artifacts\\x", "x"),
    ],
)
def test_addresses(uri, path):
    assert artifacts._address(uri, None, None) == (ID, path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((None, None, None), "either artifact_uri or run_id"),
        (("runs:/a", "b", None), "either artifact_uri or run_id"),
        (("runs:/a", None, "b"), "append it"),
        (("runs:/", None, None), "names no run"),
        (("mlflow-artifacts:/1/models/m-1/artifacts", None, None), "write runs:/"),
    ],
)
def test_addresses_that_cannot_be_read(given, words):
    with pytest.raises(MisuseError, match=words):
        artifacts._address(*given)


def test_what_files_hold(monkeypatch):
    configure(tracking_uri="http://tracking.test")
    files = {"t.txt": "hé".encode(), "d.json": b'{"a": [1]}', "d.yaml": b"a: 1", "bin": b"\xff", "bad.json": b"{"}
    monkeypatch.setattr("fitscribe.reading.endpoint.open_transport", lambda uri: Shelf(files))
    assert artifacts.load_text(f"runs:/{ID}/t.txt") == "hé"
    assert artifacts.load_dict(f"runs:/{ID}/d.json") == {"a": [1]}
    assert artifacts.load_dict(f"runs:/{ID}/d.yaml") == {"a": 1}
    assert [file.path for file in artifacts.list_artifacts(run_id=ID)] == sorted(files)
    with pytest.raises(MisuseError, match="is no UTF-8 text"):
        artifacts.load_text(f"runs:/{ID}/bin")
    with pytest.raises(MisuseError, match="is no JSON"):
        artifacts.load_dict(f"runs:/{ID}/bad.json")


def test_folders_say_where_they_lie(served, local):
    assert isinstance(served._artifacts(ID), ServedFolder)
    assert isinstance(local._artifacts(ID), LocalFolder)


class Breaking:
    """A server that sends a file in pieces, each time breaking off after so many bytes; it knows ranges and ETags."""

    def __init__(self, content: bytes, piece: int) -> None:
        self.content, self.piece, self.tag, self.asked = content, piece, '"one"', []
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if "/artifacts/" not in self.path.partition("?")[0]:
                    listing = "mlflow-artifacts" in self.path
                    body = json.dumps({} if listing else run_at(f"mlflow-artifacts:/1/{ID}")).encode()
                    self.answer(200, body, len(body))
                    return
                asked = self.headers.get("Range", "bytes=0-")
                shelf.asked.append(asked)
                same = self.headers.get("If-Range", shelf.tag) == shelf.tag
                start = int(asked[6:-1]) if same else 0
                rest = shelf.content[start:]
                self.answer(206 if start else 200, rest[: shelf.piece], len(rest))

            def answer(self, status: int, body: bytes, length: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                if shelf.tag:
                    self.send_header("ETag", shelf.tag)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    opened = Breaking(bytes(range(256)) * 20_000, 2_000_000)
    yield opened
    close_transports()
    opened.server.shutdown()
    opened.server.server_close()


def test_a_download_that_breaks_off_is_taken_up_where_it_was(breaking, tmp_path):
    place = Client(breaking.uri).download_artifacts(ID, "big.bin", tmp_path)
    assert Path(place).read_bytes() == breaking.content
    starts = [int(asked[6:-1]) for asked in breaking.asked]
    assert starts[0] == 0
    assert all(1_500_000 < after - before <= 2_000_000 for before, after in pairwise(starts))
    assert [each.name for each in tmp_path.iterdir()] == ["big.bin"]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(breaking, tmp_path):
    first, breaking.piece = breaking.content, 3_000_000

    class Changing(list):
        def append(self, asked):
            super().append(asked)
            if len(self) == 2:
                breaking.content, breaking.tag, breaking.piece = first[::-1], '"two"', len(first)

    breaking.asked = Changing()
    place = Client(breaking.uri).download_artifacts(ID, "big.bin", tmp_path)
    assert Path(place).read_bytes() == first[::-1]


def test_a_server_that_never_sends_the_whole_leaves_no_half_file(breaking, tmp_path):
    configure(read_timeout=1)
    breaking.tag = ""
    with pytest.raises(TransportError, match="the connection broke"):
        Client(breaking.uri).download_artifacts(ID, "big.bin", tmp_path)
    assert list(tmp_path.iterdir()) == []
