"""Registering is not idempotent on the wire: over a bad network, and from many processes, each one is made once."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from fitscribe import config
from fitscribe.client import Client
from fitscribe.errors import ServerError, TransportError

ANSWERED_LATE = ("after", "drop-after")


@pytest.fixture
def client(served) -> Client:
    made = Client(served.uri)
    made.create_registered_model("churn")
    return made


def made(served) -> int:
    return sum(each.path.endswith("model-versions/create") for each in served.requests)


@pytest.mark.parametrize("kind", ["answer", "after", "drop", "drop-after"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_version_is_made_once_whatever_gets_lost(client, served, kind, times):
    served.trouble(kind, "model-versions/create", times=times)
    assert client.create_model_version("churn", "s3://b/1").version == "1"
    assert [each.version for each in client.search_model_versions()] == ["1"]
    assert made(served) == (1 if kind in ANSWERED_LATE else times + 1), "it looks before it asks again"


def test_it_looks_even_where_looking_fails_at_first(client, served):
    served.trouble("drop-after", "model-versions/create")
    served.trouble("answer", "model-versions/search", times=2)
    assert client.create_model_version("churn", "s3://b/1").version == "1"
    assert (made(served), len(client.search_model_versions())) == (1, 1)


def test_a_server_that_cannot_search_by_tag_is_looked_through(client, served):
    def no_tags(request):
        if request.path.endswith("model-versions/search") and "tags." in (request.body or {}).get("filter", ""):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid attribute key 'tags'"}
        return None

    served.rules.append(no_tags)
    client.create_model_version("churn", "s3://b/0")
    served.trouble("after", "model-versions/create")
    assert client.create_model_version("churn", "s3://b/1").version == "2"
    assert len(client.search_model_versions()) == 2


def test_a_request_that_was_given_up_and_comes_late_leaves_one_version(client, served):
    """A proxy holds the first request back; by the time it arrives, a second one has been answered."""
    held = []

    def hold(request):
        if request.path.endswith("model-versions/create") and not held:
            held.append(request)
            return 504, {"error_code": "", "message": "timed out"}
        if request.path.endswith("model-versions/create"):
            body = {**request.body, "tags": [t for t in request.body["tags"] if not t["key"].startswith("fitscribe")]}
            answer = served.ledger.handle("POST", request.path, body)  # a server that knows nothing of our tag
            version = answer[1]["model_version"]["version"]
            key = next(t for t in request.body["tags"] if t["key"].startswith("fitscribe"))
            tail = "/api/2.0/mlflow/model-versions/set-tag"
            served.ledger.handle("POST", tail, {"name": "churn", "version": version, **key})
            served.ledger.handle("POST", held[0].path, {**held[0].body, "tags": body["tags"]})
            served.ledger.handle("POST", tail, {"name": "churn", "version": str(int(version) + 1), **key})
            return answer
        return None

    served.rules.append(hold)
    assert client.create_model_version("churn", "s3://b/1").version == "1"
    assert [each.version for each in client.search_model_versions()] == ["1"]


def test_tags_copied_from_another_version_make_a_version_of_its_own(client, served):
    first = client.create_model_version("churn", "s3://b/1", tags={"n": 1})
    client.create_registered_model("live")
    served.trouble("drop-after", "model-versions/create")
    assert client.create_model_version("live", "s3://b/1", tags=first.tags).version == "1"
    served.trouble("answer", "model-versions/create")
    assert client.create_model_version("churn", "s3://b/1", tags=first.tags).version == "2"
    assert client.copy_model_version("models:/churn/1", "churn").version == "3"
    assert len(client.search_model_versions()) == 4
    body = {
        "name": "churn",
        "source": "models:/churn/1",
        "tags": [{"key": k, "value": v} for k, v in first.tags.items()],
    }
    copied = client.endpoint.ask("POST", "model-versions/create", body)  # as MLflow's client copies
    assert copied["model_version"]["version"] == "4"


@pytest.mark.parametrize("kind", ["answer", "after", "drop", "drop-after"])
def test_a_registered_model_is_made_once_whatever_gets_lost(served, kind):
    served.trouble(kind, "registered-models/create")
    client = Client(served.uri)
    assert client.create_registered_model("one", {"team": "a"}, "words").tags == {"team": "a"}
    served.trouble(kind, "registered-models/rename")
    assert client.rename_registered_model("one", "uno").name == "uno"
    served.trouble(kind, "registered-models/delete")
    client.delete_registered_model("uno")
    assert client.search_registered_models() == []


def test_a_name_that_somebody_else_took_meanwhile_is_not_ours(served):
    client = Client(served.uri)
    client.create_registered_model("one", {"team": "b"})
    served.trouble("drop", "registered-models/create")
    with pytest.raises(ServerError, match="already exists"):
        client.create_registered_model("one", {"team": "a"})


def test_where_nothing_answers_the_error_says_how_to_look(client, served):
    config.configure(read_timeout=0.5)
    served.trouble("answer", "model-versions/create", times=100)
    with pytest.raises(TransportError, match="may have been made all the same") as given_up:
        client.create_model_version("churn", "s3://b/1")
    assert "search_model_versions" in str(given_up.value)


@pytest.mark.parametrize("kind", ["answer", "after", "drop", "drop-after"])
def test_a_webhook_is_made_once_whatever_gets_lost(client, served, kind):
    served.trouble("delay", "webhooks")
    served.trouble(kind, "webhooks")
    made = client.create_webhook("ci", "http://127.0.0.1:9/hook", ["model_version.created"])
    assert client.list_webhooks() == [made]
    served.trouble(kind, "webhooks")
    client.delete_webhook(made.webhook_id)
    assert client.list_webhooks() == []


@pytest.mark.parametrize("body", [b"", b"<html>Not Found</html>", {"error_code": "ENDPOINT_NOT_FOUND", "message": ""}])
def test_a_server_without_a_registry_is_told_apart(served, body):
    served.rules.append(lambda request: (404, body) if "model" in request.path else None)
    with pytest.raises(ServerError, match=r"has no model registry, .* MLFLOW_REGISTRY_URI or set_registry_uri"):
        Client(served.uri).create_registered_model("churn")


PROCESS = """
import sys
from fitscribe import Client
client = Client()
client.ensure_registered_model("churn")
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    print(client.create_model_version("churn", "s3://bucket/model").version, flush=True)
"""


def test_processes_at_once_get_numbers_of_their_own():
    """Eight each of four; the test of 32 processes is in integration/."""
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), "8"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for each in started:
        each.stdin.write("go\n")
        each.stdin.flush()
    numbers, errors = zip(*(each.communicate(timeout=120) for each in started), strict=True)
    assert "".join(errors) == ""
    assert sorted(int(each) for said in numbers for each in said.split()) == list(range(1, 33))
    found = Client().search_model_versions(max_results=100)
    assert sorted(int(each.version) for each in found) == list(range(1, 33))
    assert {each.source for each in found} == {"s3://bucket/model"}


def test_processes_killed_in_the_middle_leave_whole_versions():
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), "10000"]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = []
    for each in started:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in started:
        said += [int(each.stdout.readline()) for _ in range(3)]
        each.kill()
    for each in started:
        said += [int(line) for line in each.communicate(timeout=60)[0].split("\n")[:-1]]
    found = sorted(int(each.version) for each in Client().search_model_versions(max_results=10_000))
    assert set(said) <= set(found), "what was told to a process is there"
    assert found == list(range(1, len(found) + 1)), "no number is missing, none there twice"
