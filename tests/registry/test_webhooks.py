"""Webhooks of the embedded store: told of changes, signed, and of all of them however dead the receiver is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import update

from fitscribe import MisuseError, NotFoundError, config
from fitscribe.client import Client
from fitscribe.errors import ServerError
from fitscribe.store.registry.tables import notices as table
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport import notices

ALL = ["model_version.created", "model_version.updated", "model_version_alias.created"]


class Receiver:
    """Takes everything."""

    def handle(self, method: str, path: str, body: object) -> tuple[int, dict[str, str]]:
        return 200, {}


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with Endpoint(ledger=Receiver()) as found:
        yield found


def until(true: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.02)


def settled() -> int:
    """Send what is due now; how many are left."""
    return next(iter(notices._notifiers.values())).settle(5, at_once=True)


def told(receiver: Endpoint) -> list[str]:
    return [f"{each.body['entity']}.{each.body['action']}" for each in receiver.requests]


def registered(client: Client, name: str = "churn") -> None:
    client.ensure_registered_model(name)
    client.create_model_version(name, "s3://b/1")


def test_a_receiver_is_told_what_happened(client, receiver):
    hook = client.create_webhook("ci", f"{receiver.uri}/hook", ALL, "for CI", "s3cret")
    registered(client)
    registered(client)
    client.transition_model_version_stage("churn", 1, "Production")
    client.transition_model_version_stage("churn", 2, "Production", archive_existing_versions=True)
    client.transition_model_version_stage("churn", 2, "Production")
    client.set_registered_model_alias("churn", "champion", 2)
    client.set_model_version_tag("churn", 1, "not", "asked for")
    until(lambda: len(receiver.requests) == 6)
    assert settled() == 0
    assert told(receiver) == [
        "model_version.created", "model_version.created",
        "model_version.updated", "model_version.updated", "model_version.updated",
        "model_version_alias.created",
    ]  # fmt: skip
    data = [each.body["data"] for each in receiver.requests]
    data[0]["tags"].clear()
    assert data[0] == {
        "name": "churn", "version": "1", "source": "s3://b/1", "run_id": None, "tags": {}, "description": None,
    }  # fmt: skip
    moved = [(each["version"], each["previous_stage"], each["stage"]) for each in data[2:5]]
    assert moved == [("1", "None", "Production"), ("1", "Production", "Archived"), ("2", "None", "Production")]
    assert data[5] == {"name": "churn", "alias": "champion", "version": "2"}
    assert client.list_webhooks() == [hook]


def test_a_notice_is_signed_as_mlflow_signs(client, receiver):
    client.create_webhook("ci", f"{receiver.uri}/hook", ALL, secret="s3crét")
    registered(client)
    until(lambda: receiver.requests)
    said, body = receiver.requests[0].headers, json.dumps(receiver.requests[0].body)
    assert abs(int(said["X-MLflow-Timestamp"]) - time.time()) < 60
    text = f"{said['X-MLflow-Delivery-Id']}.{said['X-MLflow-Timestamp']}.{body}"
    signed = hmac.new("s3crét".encode(), text.encode(), hashlib.sha256).digest()
    assert said["X-MLflow-Signature"] == f"v1,{base64.b64encode(signed).decode()}"


def test_a_secret_is_for_this_user_alone_and_never_shown(client, receiver, tmp_path):
    hook = client.create_webhook("ci", f"{receiver.uri}/hook", ALL, secret="s3cret")
    assert "s3cret" not in repr([hook, client.get_webhook(hook.webhook_id), client.list_webhooks()])
    file = tmp_path / ".fitscribe" / "secrets" / hook.webhook_id
    assert file.read_text() == "s3cret"
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    client.update_webhook(hook.webhook_id, secret="")
    assert not file.exists()
    client.update_webhook(hook.webhook_id, secret="other")
    client.delete_webhook(hook.webhook_id)
    assert not file.exists()


def test_a_webhook_is_changed_disabled_and_deleted(client, receiver):
    hook = client.create_webhook("ci", f"{receiver.uri}/hook", ["model_version.created"])
    changed = client.update_webhook(hook.webhook_id, name="cd", events=ALL, status="DISABLED", description="words")
    assert (changed.name, changed.events, changed.status, changed.description) == ("cd", ALL, "DISABLED", "words")
    registered(client)
    client.delete_webhook(hook.webhook_id)
    with pytest.raises(NotFoundError, match="not found"):
        client.get_webhook(hook.webhook_id)
    assert client.list_webhooks() == []
    assert not notices._notifiers, "nobody was to be told"


@pytest.mark.parametrize(
    ("name", "url", "events"),
    [
        ("ci", "ftp://host/x", ALL),
        ("ci", "http://", ALL),
        ("ci", "http://host/a b", ALL),
        ("ci", "http://host\r\nX: y/", ALL),
        ("c i", "http://host", ALL),
        ("ci", "http://host", ["model_version.exploded"]),
        ("ci", "http://host", ["prompt.created"]),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(client, name, url, events):
    with pytest.raises(ServerError, match="Invalid value"):
        client.create_webhook(name, url, events)


def test_events_are_texts_of_two_words(client):
    for events in ([], ["created"], ""):
        with pytest.raises(MisuseError, match="such as"):
            client.create_webhook("ci", "http://host", events)


def test_a_dead_receiver_blocks_nobody_and_loses_nothing(client, receiver):
    client.create_webhook("dead", "http://127.0.0.1:9/x", ALL)
    hook = client.create_webhook("ci", f"{receiver.uri}/hook", ALL)
    began = time.monotonic()
    for _ in range(5):
        registered(client)
    assert time.monotonic() - began < 5
    until(lambda: len(receiver.requests) == 5)
    assert settled() == 5
    client.delete_webhook(hook.webhook_id)
    alive = next(each for each in client.list_webhooks() if each.name == "dead")
    receiver.requests.clear()
    client.update_webhook(alive.webhook_id, url=f"{receiver.uri}/moved")
    assert settled() == 0
    assert [each.body["data"]["version"] for each in receiver.requests] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("kind", ["answer", "drop", "drop-after"])
def test_what_fails_is_told_again_in_order_under_the_same_id(client, receiver, kind):
    client.create_webhook("ci", f"{receiver.uri}/hook", ALL)
    receiver.trouble(kind, "hook", times=2)
    registered(client)
    registered(client)
    until(lambda: settled() == 0)
    ids = [each.headers["X-MLflow-Delivery-Id"] for each in receiver.requests]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert [each.body["data"]["version"] for each in receiver.requests] == ["1", "1", "1", "2"]


def test_what_a_receiver_refuses_for_good_does_not_hold_up_the_rest(client, receiver):
    client.create_webhook("ci", f"{receiver.uri}/hook", ALL)
    receiver.trouble("answer", "hook", status=422)
    registered(client)
    registered(client)
    until(lambda: len(receiver.requests) == 2)
    assert settled() == 0
    assert [each.body["data"]["version"] for each in receiver.requests] == ["1", "2"]


def test_a_redirect_is_not_followed(client, receiver):
    client.create_webhook("ci", f"{receiver.uri}/hook", ALL)
    receiver.trouble("answer", "hook", status=307, headers={"Location": f"{receiver.uri}/elsewhere"})
    registered(client)
    until(lambda: receiver.requests)
    assert settled() == 0
    assert {each.path for each in receiver.requests} == {"/hook"}


def test_settings_alone_are_enough(receiver):
    config.configure(webhook_url=f"{receiver.uri}/a {receiver.uri}/b", webhook_secret="s3cret")
    registered(Client())
    until(lambda: len(receiver.requests) == 4)
    assert {each.path for each in receiver.requests} == {"/a", "/b"}
    assert told(receiver).count("registered_model.created") == 2
    assert all(each.headers["X-MLflow-Signature"].startswith("v1,") for each in receiver.requests)


def process(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **variables},
    )  # fmt: skip


REGISTER = """
from fitscribe import Client
client = Client()
client.ensure_registered_model("churn")
client.create_model_version("churn", "s3://b/1")
"""


def test_a_short_process_tells_before_it_ends(receiver):
    done = process(REGISTER, FITSCRIBE_WEBHOOK_URL=f"{receiver.uri}/hook")
    assert (done.returncode, done.stderr) == (0, "")
    assert told(receiver) == ["registered_model.created", "model_version.created"]


def test_a_silent_receiver_holds_up_an_exit_no_longer_than_the_limit(receiver):
    receiver.trouble("hang", "hook")
    began = time.monotonic()
    done = process(REGISTER, FITSCRIBE_WEBHOOK_URL=f"{receiver.uri}/hook", FITSCRIBE_EXIT_PATIENCE="1")
    assert done.returncode == 0
    assert time.monotonic() - began < 15
    assert "2 notices to webhooks wait in" in done.stderr


def test_the_next_process_takes_what_is_left():
    gone = Endpoint(ledger=Receiver())
    with gone:
        url = f"{gone.uri}/hook/T0KEN"
    done = process(REGISTER, FITSCRIBE_WEBHOOK_URL=url)
    assert "2 notices to webhooks wait in" in done.stderr
    assert "T0KEN" not in done.stderr, "the address of a receiver may be a secret"
    with Endpoint(ledger=Receiver()) as receiver:
        client = Client()
        client.search_registered_models()
        notifier = next(iter(notices._notifiers.values()))
        with notifier._database.writing() as connection:  # the receiver is back, at another address
            connection.execute(update(table).values(url=f"{receiver.uri}/hook"))
        notifier.settle(5, at_once=True)
        until(lambda: len(receiver.requests) == 2)
    assert told(receiver) == ["registered_model.created", "model_version.created"]


def test_what_was_to_be_signed_is_sent_by_nobody_without_the_secret(receiver):
    receiver.trouble("answer", "hook", times=100)
    secret = {"FITSCRIBE_WEBHOOK_URL": f"{receiver.uri}/hook", "FITSCRIBE_WEBHOOK_SECRET": "s3cret"}
    process(REGISTER, **secret)
    receiver.troubles.clear()
    receiver.requests.clear()
    process("from fitscribe import Client; Client().search_registered_models()")
    assert receiver.requests == []
    assert process("from fitscribe.cli import main; main(['sync'])", **secret).returncode == 0
    assert [each.headers["X-MLflow-Signature"][:3] for each in receiver.requests] == ["v1,", "v1,"]


def test_a_killed_process_loses_no_notice(receiver):
    receiver.trouble("answer", "hook", times=1000)
    killed = REGISTER + "import os, signal\nos.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))"
    process(killed, FITSCRIBE_WEBHOOK_URL=f"{receiver.uri}/hook")
    receiver.troubles.clear()
    receiver.requests.clear()
    client = Client()
    client.search_registered_models()
    notifier = next(iter(notices._notifiers.values()))
    until(lambda: notifier.settle(1, at_once=True) == 0, 90)
    assert told(receiver) == ["registered_model.created", "model_version.created"]


def test_processes_at_once_tell_each_notice_once(receiver):
    variables = {**os.environ, "FITSCRIBE_WEBHOOK_URL": f"{receiver.uri}/hook"}
    started = [subprocess.Popen([sys.executable, "-c", REGISTER], env=variables) for _ in range(3)]
    assert [each.wait(60) for each in started] == [0] * 3
    ids = [each.headers["X-MLflow-Delivery-Id"] for each in receiver.requests]
    assert len(ids) == len(set(ids)) == 4
    versions = [each.body["data"]["version"] for each in receiver.requests if "version" in each.body["data"]]
    assert versions == ["1", "2", "3"], "in order"
