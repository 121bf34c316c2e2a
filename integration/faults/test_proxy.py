"""The harness itself: each fault is what it says, and what is lost or doubled on a server is found."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

import pytest

from fitscribe.testing.endpoint import Endpoint
from integration.faults.plan import planned
from integration.faults.proxy import FAULTS, Proxy, Rule
from integration.faults.state import difference

CREATE = "/api/2.0/mlflow/runs/create"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def proxy(endpoint: Endpoint) -> Iterator[Proxy]:
    with Proxy(int(endpoint.uri.rpartition(":")[2])) as proxy:
        yield proxy


def asked(proxy: Proxy, *, timeout: float = 5) -> tuple[int, bytes, float]:
    """Return status, body and seconds of a request to create a run."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    try:
        body = json.dumps({"experiment_id": "0", "start_time": 1, "tags": []})
        connection.request("POST", CREATE, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(), time.monotonic() - began
    finally:
        connection.close()


# fault -> how often the server does the request, and the status of the answer (0: there is none)
MEANT = {
    "delay": (1, 200), "slow": (1, 200), "lose-request": (0, 0), "lose-answer": (1, 0), "reset": (1, 0), "cut": (1, 0),
    "request-twice": (2, 200), "answer-twice": (1, 200), "refused": (0, 503), "refused-after": (1, 503),
    "html": (0, 200), "silence": (0, 0), "closed": (0, 0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_what_it_says(fault: str, proxy: Proxy, endpoint: Endpoint) -> None:
    proxy.rules = [Rule(fault, seconds=0.3)]
    done, expected = MEANT[fault]
    try:
        status, body, seconds = asked(proxy)
    except (OSError, http.client.HTTPException):
        status, body, seconds = 0, b"", 0.0
    assert (len(endpoint.requests), status) == (done, expected)
    assert proxy.met == {fault: 1}
    if fault in ("delay", "slow"):
        assert seconds >= 0.3
    if status == 200:
        assert (b"run_id" in body) == (fault != "html")


def test_a_rule_is_for_its_path_each_nth_time_and_so_often(proxy: Proxy, endpoint: Endpoint) -> None:
    proxy.rules = [Rule("refused", path="log-batch"), Rule("refused", path="create", every=3, times=2, status=429)]
    assert [asked(proxy)[0] for _ in range(10)] == [200, 200, 429, 200, 200, 429, 200, 200, 200, 200]
    assert len(endpoint.requests) == 8


def test_a_closed_proxy_opens_again(proxy: Proxy) -> None:
    proxy.shut(0.3)
    with pytest.raises(ConnectionRefusedError):
        asked(proxy)
    time.sleep(0.5)
    assert asked(proxy)[0] == 200


def test_what_is_lost_doubled_or_invented_is_told() -> None:
    plan = planned(7, "first")
    whole = plan.state(len(plan.calls), len(plan.forked))
    assert difference(whole, [whole]) == []
    lost, doubled = list(whole)[2:4]
    wrong = whole - type(whole)([lost]) + type(whole)([doubled, "first.9 FAILED"])
    told = [f"- {lost}", *sorted([f"2 x {doubled}", "+ first.9 FAILED"])]
    assert sorted(difference(wrong, [whole])) == sorted(told)


def test_after_a_kill_the_call_under_way_may_be_there_or_not_and_no_other() -> None:
    plan = planned(7, "first", fork=False)
    allowed = plan.allowed(5, 0)
    assert [difference(plan.state(calls, 0), allowed) == [] for calls in (4, 5, 6, 7)] == [False, True, True, False]


def test_a_plan_is_the_same_each_time() -> None:
    assert planned(3, "first") == planned(3, "first")
    assert planned(3, "first") != planned(4, "first")
