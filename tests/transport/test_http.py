import socket
import time
from pathlib import Path

import pytest

from fitscribe.config import configure
from fitscribe.errors import TransportError
from fitscribe.testing.endpoint import HTML, Endpoint
from fitscribe.transport import Unsent
from fitscribe.transport.http import Http

CREATE = "/api/2.0/mlflow/runs/create"
GET = "/api/2.0/mlflow/experiments/get-by-name"
PUT = "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_get_carries_its_dict_as_query_and_a_post_as_json(endpoint: Endpoint, http: Http) -> None:
    answer = http.send("GET", GET, {"experiment_name": "Default", "active": True})
    assert answer.status == 200
    assert answer.body == {"experiment": {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active"}}
    created = http.send("POST", CREATE, {"experiment_id": "0", "start_time": 5})
    assert created.body["run"]["info"]["run_id"] == "0" * 31 + "1"
    assert [(r.method, r.path, r.body) for r in endpoint.requests] == [
        ("GET", GET, {"experiment_name": "Default", "active": "true"}),
        ("POST", CREATE, {"experiment_id": "0", "start_time": 5}),
    ]
    assert endpoint.requests[1].headers["Content-Type"] == "application/json"
    assert endpoint.requests[1].headers["User-Agent"].startswith("fitscribe/")


def test_a_file_a_large_one_an_empty_one_and_bytes_arrive_whole(endpoint: Endpoint, http: Http, tmp_path: Path) -> None:
    large, empty = tmp_path / "large.bin", tmp_path / "empty"
    large.write_bytes(b"0123456789" * 300_000)
    empty.touch()
    statuses = [
        http.send("PUT", PUT + "large.bin", large).status,
        http.send("PUT", PUT + "empty", empty).status,
        http.send("PUT", PUT + "note.txt", b"hello").status,
    ]
    assert statuses == [200, 200, 200]
    root = "0/r/artifacts/"
    assert endpoint.ledger.artifacts == {
        root + "large.bin": large.read_bytes(),
        root + "empty": b"",
        root + "note.txt": b"hello",
    }
    assert [r.headers["Content-Type"] for r in endpoint.requests] == [
        "application/octet-stream",
        "application/octet-stream",
        "text/plain",
    ]


def test_a_downloaded_json_file_stays_bytes(endpoint: Endpoint, http: Http) -> None:
    http.send("PUT", PUT + "a.json", b'{"a": 1}')
    assert http.send("GET", PUT + "a.json").body == b'{"a": 1}'


def test_a_page_of_another_server_is_bytes_and_no_error(endpoint: Endpoint, http: Http) -> None:
    endpoint.trouble("html")
    assert http.send("POST", CREATE, {})[:2] == (404, HTML)


def test_an_answer_with_a_bare_nan_is_read(endpoint: Endpoint, http: Http) -> None:
    endpoint.ledger.artifacts["x"] = b""
    endpoint.trouble("answer", status=200, body=b'{"metrics": [{"value": NaN}]}')
    value = http.send("POST", CREATE, {}).body["metrics"][0]["value"]
    assert value != value


def test_a_stale_connection_is_replaced_at_once_for_what_may_be_repeated(endpoint: Endpoint, http: Http) -> None:
    http.send("GET", GET, {"experiment_name": "Default"})
    endpoint.trouble("drop", "log-batch")
    run = http.send("POST", CREATE, {"experiment_id": "0"}).body["run"]["info"]["run_id"]
    assert http.send("POST", "/api/2.0/mlflow/runs/log-batch", {"run_id": run}).status == 200


def test_a_run_is_never_created_twice_by_the_transport(endpoint: Endpoint, http: Http) -> None:
    endpoint.trouble("drop-after", "create")
    with pytest.raises(TransportError, match="the connection broke") as raised:
        http.send("POST", CREATE, {"experiment_id": "0"})
    assert not isinstance(raised.value, Unsent)
    assert len(endpoint.ledger.runs) == 1


def test_a_refused_connection_says_so_and_that_nothing_was_sent() -> None:
    http = Http(f"http://me:secret@127.0.0.1:{free_port()}")
    with pytest.raises(Unsent, match=r"http://127.0.0.1:\d+: connection refused; is the server running\?$") as raised:
        http.send("GET", GET, {})
    assert "secret" not in str(raised.value)
    http.close()


def test_a_silent_server_is_given_up_in_time(endpoint: Endpoint) -> None:
    http = Http(endpoint.uri, timeout=0.3)
    endpoint.trouble("hang")
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"connected, but no answer within 0.3 s$"):
        http.send("GET", GET, {"experiment_name": "a"})
    assert time.monotonic() - began < 2
    http.close()


def test_an_unknown_host_is_named_as_such() -> None:
    http = Http("http://nobody.invalid")
    with pytest.raises(Unsent, match=r"http://nobody\.invalid: the name of the host is not known"):
        http.send("GET", GET, {})
    http.close()


def test_a_redirect_within_the_host_is_followed_with_method_and_body(endpoint: Endpoint, http: Http) -> None:
    endpoint.trouble("answer", "moved", status=302, headers={"Location": CREATE})
    assert http.send("POST", "/moved", {"experiment_id": "0"}).status == 200
    assert len(endpoint.ledger.runs) == 1


def test_a_redirect_to_another_host_is_not_followed(endpoint: Endpoint, http: Http) -> None:
    with Endpoint() as other:
        endpoint.trouble("answer", status=302, headers={"Location": other.uri + "/login?token=secret"})
        with pytest.raises(TransportError, match=r"redirects to http://127.0.0.1, which is not followed") as raised:
            http.send("POST", CREATE, {"experiment_id": "0"})
    assert "secret" not in str(raised.value)
    assert other.requests == []


def test_a_closed_transport_opens_again(endpoint: Endpoint, http: Http) -> None:
    http.send("GET", GET, {"experiment_name": "Default"})
    http.close()
    assert http.send("GET", GET, {"experiment_name": "Default"}).status == 200


def test_the_timeout_comes_from_the_settings(endpoint: Endpoint, http: Http) -> None:
    configure(timeout=0.2)
    endpoint.trouble("hang")
    with pytest.raises(TransportError, match=r"within 0.2 s"):
        http.send("POST", CREATE, {})
