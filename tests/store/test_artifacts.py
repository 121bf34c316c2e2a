"""Artifacts of the embedded store: only below a run's folder, and whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

INVALID, MISSING = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def artifacts(store):
    """PUT, GET and DELETE below a run's artifacts; (status, error code) of what is refused."""

    def call(method, path, body=None):
        status, answer = store.handle(method, f"{ROUTE}/{path}", body)
        return answer if status == 200 else (status, answer["error_code"])

    return call


@pytest.fixture
def home(folder, new_run):
    """The path of a new run's artifacts in URLs."""
    return f"0/{new_run()}/artifacts"


def everything(folder: Path) -> list[str]:
    """Return all files but the database's."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if not file.startswith("fitscribe.db"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.txt", "a.txt"),
        ("deep/er/a.txt", "deep/er/a.txt"),
        ("a%20b/%C3%A9.txt", "a b/é.txt"),
        ("100%25.txt", "100%.txt"),
        ("a%23b%3Fc.txt", "a#b?c.txt"),
        (".hidden", ".hidden"),
        ("..a/a..", "..a/a.."),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_file_lies_where_it_was_put_and_comes_back(artifacts, home, folder, path, name):
    for content in (b"first", b"", b"\x00\xff\r\nlast"):
        assert artifacts("PUT", f"{home}/{path}", content) == b""
        file = artifacts("GET", f"{home}/{path}")
        assert file == folder / "artifacts" / home / name
        assert file.read_bytes() == content
        assert everything(folder) == [".gitignore", f"artifacts/{home}/{name}"]


def test_a_callers_file_stays_the_callers(artifacts, home, tmp_path):
    mine = tmp_path / "mine.bin"
    mine.write_bytes(b"one")
    artifacts("PUT", f"{home}/copy.bin", mine)
    stored = artifacts("GET", f"{home}/copy.bin")
    mine.write_bytes(b"two")
    assert (stored.read_bytes(), mine.read_bytes()) == (b"one", b"two")


def test_listings_go_by_name_and_leave_out_the_size_of_empty_files(store, artifacts, get, home):
    for path, content in [("b.txt", b"12"), ("a/c.txt", b"123"), ("a/b/c", b"1"), ("empty", b"")]:
        artifacts("PUT", f"{home}/{path}", content)
    top = [
        {"path": "a", "is_dir": True},
        {"path": "b.txt", "is_dir": False, "file_size": 2},
        {"path": "empty", "is_dir": False},
    ]
    below = [{"path": "b", "is_dir": True}, {"path": "c.txt", "is_dir": False, "file_size": 3}]
    for path, files in [(home, top), (f"{home}/a", below), (f"{home}/b.txt", []), (f"{home}/nothing", [])]:
        assert store.handle("GET", ROUTE, {"path": path}) == (200, {"files": files} if files else {})
    run_id = home.split("/")[1]
    root = get("runs/get", run_id=run_id)["run"]["info"]["artifact_uri"]
    assert get("artifacts/list", run_id=run_id) == {"root_uri": root, "files": top}
    relative = [{**each, "path": f"a/{each['path']}"} for each in below]
    assert get("artifacts/list", run_uuid=run_id, path="a") == {"root_uri": root, "files": relative}
    assert get("artifacts/list", run_id=run_id, path="nothing") == {"root_uri": root}
    assert get("artifacts/list", run_id="nobody") == (404, MISSING)


def test_files_and_folders_are_removed_again_and_again(artifacts, home, folder):
    for path in ("a/b/c", "a/d", "e"):
        artifacts("PUT", f"{home}/{path}", b"1")
    for path in ("a/b/c", "a/b/c", "a", "nothing/at/all"):
        assert artifacts("DELETE", f"{home}/{path}") == {}
    assert everything(folder) == [".gitignore", f"artifacts/{home}/e"]
    assert artifacts("DELETE", "0/nobody/artifacts/x") == {}
    assert artifacts("DELETE", home) == {}
    assert everything(folder) == [".gitignore"]


def test_what_is_not_there_is_missing(store, artifacts, home):
    assert artifacts("GET", f"{home}/nothing") == (404, MISSING)
    assert artifacts("GET", "0/nobody/artifacts/x") == (404, MISSING)
    assert artifacts("PUT", "0/nobody/artifacts/x", b"1") == (404, MISSING)
    assert artifacts("PUT", f"1{home[1:]}/x", b"1") == (404, MISSING)  # of another experiment
    assert store.handle("GET", ROUTE, {"path": "0/nobody/artifacts"}) == (200, {})


def test_files_and_folders_do_not_take_each_others_place(artifacts, home, folder):
    artifacts("PUT", f"{home}/file", b"1")
    artifacts("PUT", f"{home}/folder/file", b"2")
    before = everything(folder)
    assert artifacts("PUT", f"{home}/file/below", b"3") == (400, INVALID)
    assert artifacts("PUT", f"{home}/folder", b"3") == (400, INVALID)
    assert artifacts("PUT", home, b"3") == (400, INVALID)
    assert artifacts("GET", f"{home}/folder") == (400, INVALID)
    assert artifacts("GET", f"{home}/file/below") == (404, MISSING)
    assert everything(folder) == before


OUTSIDE = [
    "..",
    "../x",
    "a/../../x",
    "a/../x",
    "./x",
    "a/./x",
    "a//x",
    "/etc/passwd",
    "//etc/passwd",
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "%252e%252e/x",
    "%25252e%25252e%25252fx",
    "..%2fx",
    "..%252fx",
    "%2fetc%2fpasswd",
    "%252fetc/passwd",
    "..\\x",
    "..%5cx",
    "a%5c..%5cx",
    "\\\\host\\share",
    "a%00.txt",
    "a%0a.txt",
    "C:/x",
    "C:%5cx",
    "a/c:x",
    "%ff%fe",
    "x" * 256,
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leaves_the_runs_folder_is_refused_and_touches_nothing(store, artifacts, home, folder, path):
    artifacts("PUT", f"{home}/x", b"1")
    (folder / "artifacts/x").write_bytes(b"precious")
    before = everything(folder)
    for method, body in (("PUT", b"2"), ("GET", None), ("DELETE", None)):
        assert artifacts(method, f"{home}/{path}", body) == (400, INVALID)
    if "%" not in path:  # a query comes decoded
        run_id = home.split("/")[1]
        for route, query in (
            (ROUTE, {"path": f"{home}/{path}"}),
            ("/api/2.0/mlflow/artifacts/list", {"run_id": run_id, "path": path}),
        ):
            status, answer = store.handle("GET", route, query)
            assert (status, answer["error_code"]) == (400, INVALID)
    assert everything(folder) == before


@pytest.mark.parametrize(
    "path", ["", "0", "0/run", "..", "x/y/artifacts/z", "0/run/other/x", "%2e%2e/%2e%2e/artifacts/x"]
)
def test_a_path_without_a_run_is_refused(artifacts, new_run, path):
    run = new_run()
    for method, body in (("PUT", b"2"), ("GET", None), ("DELETE", None)):
        assert artifacts(method, path.replace("run", run), body) == (400, INVALID)


def test_a_link_out_of_the_runs_folder_is_not_followed(store, artifacts, home, folder, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"precious")
    artifacts("PUT", f"{home}/mine", b"1")
    root = folder / "artifacts" / home
    try:
        (root / "out").symlink_to(secret, target_is_directory=True)
        (root / "file").symlink_to(secret / "file")
        (root / "in").symlink_to(root / "mine")
    except OSError:
        assert os.name == "nt"  # where making links takes a right of its own
        return
    for path in ("out/file", "out/new", "file"):
        for method, body in (("PUT", b"2"), ("GET", None), ("DELETE", None)):
            assert artifacts(method, f"{home}/{path}", body) == (400, INVALID)
    listed = store.handle("GET", ROUTE, {"path": home})[1]["files"]
    assert [each["path"] for each in listed] == ["in", "mine"]
    assert store.handle("GET", ROUTE, {"path": f"{home}/out"})[0] == 400
    assert sorted(path.name for path in secret.iterdir()) == ["file"]
    assert (secret / "file").read_bytes() == b"precious"
    artifacts("DELETE", home)
    assert (secret / "file").read_bytes() == b"precious"


def test_an_experiments_own_folder_is_served_as_well(store, post, artifacts, new_run, tmp_path):
    own = tmp_path / "a b#c"
    post("experiments/create", name="own", artifact_location=str(own))
    run = new_run(experiment_id="1")
    artifacts("PUT", f"1/{run}/artifacts/a/x.txt", b"1")
    assert artifacts("GET", f"1/{run}/artifacts/a/x.txt") == own / run / "artifacts/a/x.txt"
    assert everything(own) == [f"{run}/artifacts/a/x.txt"]
    assert store.handle("GET", ROUTE, {"path": f"1/{run}/artifacts"}) == (
        200,
        {"files": [{"path": "a", "is_dir": True}]},
    )


def test_artifacts_in_an_object_store_are_not_served(post, artifacts, new_run):
    post("experiments/create", name="far", artifact_location="s3://bucket/x")
    run = new_run(experiment_id="1")
    assert artifacts("PUT", f"1/{run}/artifacts/x", b"1") == (404, "ENDPOINT_NOT_FOUND")


def test_a_callers_file_that_is_gone_is_trouble_and_leaves_nothing(artifacts, home, folder, tmp_path):
    assert artifacts("PUT", f"{home}/x", tmp_path / "gone") == (503, "TEMPORARILY_UNAVAILABLE")
    assert everything(folder) == [".gitignore"]
    assert not (folder / "artifacts/0/.unfinished").exists()
