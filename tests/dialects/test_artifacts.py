from pathlib import Path

import pytest

from fitscribe.dialects.artifacts import copied, place, stored
from fitscribe.errors import ServerError

SERVER = "http://tracking.example:5000"
LOCAL = "http://127.0.0.1:5000"
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


def test_a_proxied_root_becomes_a_request_with_every_segment_quoted() -> None:
    assert place(SERVER, "mlflow-artifacts:/0/r/artifacts", "a b/é#?%.txt") == (
        f"{ROUTE}/0/r/artifacts/a%20b/%C3%A9%23%3F%25.txt"
    )
    assert place(SERVER, "mlflow-artifacts://tracking.example:5000/0/r/artifacts", "x") == f"{ROUTE}/0/r/artifacts/x"
    assert stored("1", "r", "a/b c") == f"{ROUTE}/1/r/artifacts/a/b%20c"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "C:/x", "..\\x", ""])
def test_no_path_leaves_the_runs_folder(path: str) -> None:
    with pytest.raises(ServerError, match="leaves the run's folder"):
        place(SERVER, "mlflow-artifacts:/0/r/artifacts", path)


@pytest.mark.parametrize(
    ("uri", "root", "words"),
    [
        (SERVER, "/srv/mlruns/0/r/artifacts", "is a folder that does not exist on this machine"),
        (LOCAL, "/no/such/mlruns/0/r/artifacts", "is a folder that does not exist on this machine"),
        (LOCAL, "", "is empty"),
        (SERVER, "http://files.example/0/r/artifacts", "is at http:, where no run's files can be written"),
        (SERVER, "mlflow-artifacts://other:1/0/r", "is on another server than the tracking URI"),
    ],
)
def test_a_root_out_of_reach_is_refused_with_what_to_do(uri: str, root: str, words: str) -> None:
    with pytest.raises(ServerError) as raised:
        place(uri, root, "model.pkl")
    assert raised.value.message == (
        f"the run's artifact folder {root!r} {words}; start the server with --serve-artifacts to take them itself"
    )


@pytest.mark.parametrize("scheme", [False, True])
def test_a_loopback_servers_folder_gets_a_copy(tmp_path: Path, scheme: bool) -> None:
    root = tmp_path / "ml runs" / "0" / "r" / "artifacts"
    (tmp_path / "ml runs").mkdir()
    target = place(LOCAL, root.as_uri() if scheme else str(root), "a/b.txt")
    assert target == root / "a" / "b.txt"
    copied(b"first", Path(target))
    source = tmp_path / "source"
    source.write_bytes(b"second")
    copied(source, Path(target))
    assert [(p.name, p.read_bytes()) for p in Path(target).parent.iterdir()] == [("b.txt", b"second")]
