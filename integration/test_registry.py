"""The registry by the same tests on MLflow's servers and on our store, with our client and with MLflow's own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import fitscribe
from fitscribe.client import Client
from fitscribe.reading import endpoint
from fitscribe.testing.endpoint import Endpoint
from integration.other_servers import serving
from integration.test_store_with_mlflow_client import Server

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow", "ignore::DeprecationWarning", "ignore::FutureWarning")

REFUSED = (mlflow.exceptions.MlflowException, fitscribe.FitscribeError)
WHO = [
    "fitscribe on its embedded store",
    "fitscribe on its store over HTTP",
    "fitscribe on MLflow 3",
    "fitscribe on MLflow 2",
    "MLflow on our store",
    "MLflow on MLflow 3",
]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tracking URI of our store behind a plain HTTP server."""
    with Server(tmp_path_factory.mktemp("ours") / "store") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    server.store.close()


@pytest.fixture(scope="module")
def mlflow_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("mlflow-2", tmp_path_factory.mktemp("mlflow-2")) as uri:
        yield uri


@pytest.fixture(params=WHO)
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client; both kinds have the same methods."""
    where = request.param
    if where == WHO[0]:
        yield Client(tmp_path / "store")
    elif where.endswith("MLflow 2"):
        yield Client(request.getfixturevalue("mlflow_2"))
    else:
        uri = request.getfixturevalue("mlflow_server" if where.endswith("MLflow 3") else "ours")
        yield mlflow.MlflowClient(uri) if where.startswith("MLflow") else Client(uri)
    endpoint.close_transports()


@pytest.fixture
def name() -> str:
    """A name of its own: servers are shared."""
    return f"model {uuid.uuid4().hex} é"


@pytest.fixture
def three(registry, name) -> Any:
    """The client, after a model with three versions was registered."""
    registry.create_registered_model(name, {"team": "a"}, "words")
    for number in (1, 2, 3):
        registry.create_model_version(
            name, f"s3://bucket/{number}", tags={"n": str(number)}, run_link="http://link", description=f"d{number}"
        )
    return registry


def numbers(found: Any) -> list[int]:
    return [int(each.version) for each in found]


def test_a_model_is_made_described_tagged_and_deleted(registry, name):
    made = registry.create_registered_model(name, {"team": "a", "n": 1}, "words")
    assert (made.name, made.description, made.tags) == (name, "words", {"team": "a", "n": "1"})
    assert registry.update_registered_model(name, "other words").description == "other words"
    registry.set_registered_model_tag(name, "team", "b")
    registry.delete_registered_model_tag(name, "n")
    registry.delete_registered_model_tag(name, "n")
    found = registry.get_registered_model(name)
    assert (found.description, found.tags) == ("other words", {"team": "b"})
    assert found.creation_timestamp <= found.last_updated_timestamp
    registry.delete_registered_model(name)
    with pytest.raises(REFUSED, match="not found"):
        registry.get_registered_model(name)
    with pytest.raises(REFUSED, match="not found"):
        registry.delete_registered_model(name)


def test_a_name_is_taken_once(three, name):
    with pytest.raises(REFUSED, match="already exists"):
        three.create_registered_model(name)
    three.create_registered_model(f"{name}2")
    with pytest.raises(REFUSED, match="already exists"):
        three.rename_registered_model(f"{name}2", name)


def test_versions_show_what_they_were_made_with(three, name):
    found = three.get_model_version(name, "2")
    shown = (found.name, int(found.version), found.source, found.run_link, found.description, found.current_stage)
    assert shown == (name, 2, "s3://bucket/2", "http://link", "d2", "None")
    assert (found.status, found.tags["n"], found.aliases) == ("READY", "2", [])
    assert three.get_model_version_download_uri(name, "2") == "s3://bucket/2"
    assert three.update_model_version(name, "2", "new").description == "new"
    for gone in ("4", "0"):
        with pytest.raises(REFUSED, match="not found"):
            three.get_model_version(name, gone)


def test_numbers_of_deleted_versions_are_not_given_again(three, name):
    three.delete_model_version(name, "3")
    assert int(three.create_model_version(name, "s3://bucket/4").version) == 4
    three.delete_model_version(name, "4")
    assert int(three.create_model_version(name, "s3://bucket/5").version) == 5
    assert numbers(three.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])) == [1, 2, 5]
    with pytest.raises(REFUSED, match="not found"):
        three.get_model_version(name, "3")
    with pytest.raises(REFUSED, match="not found"):
        three.delete_model_version(name, "3")


def test_stages_in_any_capitals_and_room_is_made(three, name):
    assert three.transition_model_version_stage(name, "1", "staging").current_stage == "Staging"
    moved = three.transition_model_version_stage(name, "2", "STAGING", archive_existing_versions=True)
    assert moved.current_stage == "Staging"
    assert three.get_model_version(name, "1").current_stage == "Archived"
    latest = {each.current_stage: int(each.version) for each in three.get_latest_versions(name)}
    assert latest == {"Archived": 1, "Staging": 2, "None": 3}
    assert numbers(three.get_latest_versions(name, ["Staging", "Production"])) == [2]
    shown = three.get_registered_model(name).latest_versions
    assert {each.current_stage: int(each.version) for each in shown} == latest
    with pytest.raises(REFUSED):
        three.transition_model_version_stage(name, "2", "Live")
    with pytest.raises(REFUSED, match="not found"):
        three.transition_model_version_stage(name, "9", "Staging")


def test_aliases_move_and_go(three, name):
    three.set_registered_model_alias(name, "champion", "1")
    three.set_registered_model_alias(name, "champion", "2")
    three.set_registered_model_alias(name, "blue-1_é", "2")
    assert int(three.get_model_version_by_alias(name, "champion").version) == 2
    assert sorted(three.get_model_version(name, "2").aliases) == ["blue-1_é", "champion"]
    aliases = {alias: int(version) for alias, version in three.get_registered_model(name).aliases.items()}
    assert aliases == {"champion": 2, "blue-1_é": 2}
    three.delete_registered_model_alias(name, "blue-1_é")
    three.delete_registered_model_alias(name, "blue-1_é")
    for wrong in ("latest", "v1", "a b"):
        with pytest.raises(REFUSED):
            three.set_registered_model_alias(name, wrong, "1")
    for missing in ("champion 2", "Champion"):
        with pytest.raises(REFUSED):
            three.get_model_version_by_alias(name, missing)
    with pytest.raises(REFUSED, match="not found"):
        three.set_registered_model_alias(name, "champion", "9")


def test_tags_of_versions(three, name):
    three.set_model_version_tag(name, "1", "n", "9")
    three.set_model_version_tag(name, "1", "new key/1", "é" * 1000)
    three.delete_model_version_tag(name, "2", "n")
    three.delete_model_version_tag(name, "2", "n")
    first = three.get_model_version(name, "1").tags
    assert (first["n"], len(first["new key/1"])) == ("9", 1000)
    assert "n" not in three.get_model_version(name, "2").tags
    with pytest.raises(REFUSED, match="not found"):
        three.set_model_version_tag(name, "9", "n", "1")


def test_a_renamed_model_keeps_its_versions_tags_and_aliases(three, name):
    three.set_registered_model_alias(name, "champion", "2")
    three.transition_model_version_stage(name, "2", "Production")
    three.rename_registered_model(name, f"{name} b")
    found = three.get_registered_model(f"{name} b")
    assert (found.tags, {alias: int(each) for alias, each in found.aliases.items()}) == ({"team": "a"}, {"champion": 2})
    version = three.get_model_version(f"{name} b", "2")
    assert (version.tags["n"], version.current_stage) == ("2", "Production")
    assert numbers(three.search_model_versions(f"name = '{name} b'", order_by=["version_number ASC"])) == [1, 2, 3]
    with pytest.raises(REFUSED, match="not found"):
        three.get_registered_model(name)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("name = '{}'", [1, 2, 3]),
        ("name ILIKE '{}'", [1, 2, 3]),
        ("name = '{}' AND version_number >= 2", [2, 3]),
        ("name = '{}' and version_number != 2", [1, 3]),
        ("name = '{}' AND source_path = 's3://bucket/2'", [2]),
        ("name = '{}' AND source_path LIKE '%/3'", [3]),
        ("name = '{}' AND tags.n = '1'", [1]),
        ("name = '{}' AND tags.`n` != '1'", [2, 3]),
        ("name = '{}' AND tags.nothing = '1'", []),
        ("name = '{}' AND run_id = 'nobody'", []),
    ],
)
def test_versions_are_found_by_filter(three, name, words, found):
    answer = three.search_model_versions(words.format(name), order_by=["version_number ASC"])
    assert numbers(answer) == found


def test_what_was_changed_last_comes_first(three, name):
    three.update_model_version(name, "2", "new")
    assert numbers(three.search_model_versions(f"name = '{name}'")) == [2, 3, 1]
    assert numbers(three.search_model_versions(f"name = '{name}'", order_by=["creation_timestamp DESC"])) == [3, 2, 1]
    page = three.search_model_versions(f"name = '{name}'", max_results=2, order_by=["version_number DESC"])
    words = {"max_results": 2, "order_by": ["version_number DESC"], "page_token": page.token}
    last = three.search_model_versions(f"name = '{name}'", **words)
    assert (numbers(page), numbers(last), last.token or None) == ([3, 2], [1], None)


def test_models_are_found_by_name_and_tag(registry, name):
    for letter in "bca":
        registry.create_registered_model(f"{name} {letter}", {"kind": letter.upper()})
    mine = f"name LIKE '{name} %'"
    assert [each.name[-1] for each in registry.search_registered_models(mine)] == ["a", "b", "c"]
    assert [each.name[-1] for each in registry.search_registered_models(mine, order_by=["name DESC"])] == list("cba")
    assert [each.name[-1] for each in registry.search_registered_models(f"{mine} AND tags.kind = 'B'")] == ["b"]
    page = registry.search_registered_models(mine, max_results=2)
    rest = registry.search_registered_models(mine, max_results=2, page_token=page.token)
    assert [each.name[-1] for each in [*page, *rest]] == ["a", "b", "c"]
    with pytest.raises(REFUSED):
        registry.search_registered_models("name = 'a' OR name = 'b'")
    with pytest.raises(REFUSED):
        registry.search_registered_models("stage = 'b'")


def test_a_copy_has_the_files_of_the_first(three, name):
    copy = three.copy_model_version(f"models:/{name}/2", f"{name} live")
    assert (copy.name, int(copy.version), copy.tags["n"]) == (f"{name} live", 1, "2")
    assert three.get_model_version_download_uri(f"{name} live", "1") == "s3://bucket/2"


def test_a_model_of_a_run_is_registered_and_leads_back_to_it(registry, name):
    run_id = registry.create_run("0", run_name="trained").info.run_id
    registry.log_dict(run_id, {"flavors": {}}, "model/MLmodel")
    if isinstance(registry, Client):
        made = registry.register_model(f"runs:/{run_id}/model", name)
        registry.set_terminated(run_id)
    else:
        mlflow.set_tracking_uri(registry.tracking_uri)
        made = mlflow.register_model(f"runs:/{run_id}/model", name)
        mlflow.set_tracking_uri(None)
    assert (int(made.version), made.run_id, made.source.endswith(f"/{run_id}/artifacts/model")) == (1, run_id, True)
    assert numbers(registry.search_model_versions(f"run_id = '{run_id}'")) == [1]
    assert registry.get_model_version_download_uri(name, "1") == made.source
    with pytest.raises(REFUSED):
        registry.create_model_version(name, "/etc" if registry.tracking_uri[:4] == "http" else "s3://b/../x", run_id)


def test_mlflow_reads_what_we_registered_and_the_other_way_round(ours, name):
    mine, theirs = Client(ours), mlflow.MlflowClient(ours)
    mine.create_registered_model(name)
    mine.create_model_version(name, "s3://b/1", tags={"who": "us"})
    theirs.create_model_version(name, "s3://b/2", tags={"who": "them"})
    theirs.set_registered_model_alias(name, "champion", 1)
    for client in (mine, theirs):
        found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
        assert [each.tags["who"] for each in found] == ["us", "them"]
        assert int(client.get_model_version_by_alias(name, "champion").version) == 1
    endpoint.close_transports()


def test_mlflows_client_makes_and_lists_our_webhooks(ours):
    theirs = mlflow.MlflowClient(ours)
    made = theirs.create_webhook(
        name="ci", url="https://example.com/hook", events=["model_version.created", "model_version_alias.created"],
        description="words", secret="s3cret",
    )  # fmt: skip
    assert [each.webhook_id for each in theirs.list_webhooks()] == [made.webhook_id]
    assert [str(each) for each in made.events] == ["model_version.created", "model_version_alias.created"]
    assert (made.status, made.description, made.secret) == ("ACTIVE", "words", None)
    assert theirs.update_webhook(made.webhook_id, status="DISABLED").status == "DISABLED"
    assert Client(ours).get_webhook(made.webhook_id).status == "DISABLED"
    theirs.delete_webhook(made.webhook_id)
    with pytest.raises(REFUSED, match="not found"):
        theirs.get_webhook(made.webhook_id)
    endpoint.close_transports()


def test_our_client_makes_webhooks_on_mlflow(mlflow_server):
    client = Client(mlflow_server)
    made = client.create_webhook("ci", "https://1.1.1.1/hook", ["model_version.created"], "words", "s3cret")
    assert (made.name, made.events, made.status) == ("ci", ["model_version.created"], "ACTIVE")
    assert made in client.list_webhooks()
    assert client.update_webhook(made.webhook_id, status="DISABLED").status == "DISABLED"
    client.delete_webhook(made.webhook_id)
    endpoint.close_transports()


def test_our_signature_is_the_one_that_mlflow_makes():
    from mlflow.webhooks import delivery

    from fitscribe.transport.notices import signature

    words = ("s3crét", "id-1", "1700000000", '{"a": "é"}')
    assert signature(*words) == delivery._generate_hmac_signature(*words)


class Behind:
    """Hands requests on to a real server, so that a fake endpoint's troubles befall it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        kind = {"params": body} if method == "GET" else {"json": body}
        answer = requests.request(method, self.uri + path, timeout=60, **kind)
        return answer.status_code, answer.json()


@pytest.mark.parametrize("where", ["mlflow_server", "mlflow_2"])
def test_answers_that_get_lost_make_no_second_version(where, request, name):
    with Endpoint(ledger=Behind(request.getfixturevalue(where))) as lossy:
        client = Client(lossy.uri)
        for path in ("registered-models/create", "model-versions/create", "registered-models/rename"):
            for kind in ("drop-after", "answer", "after"):
                lossy.trouble(kind, path)
        client.create_registered_model(name, {"team": "a"})
        for number in range(1, 4):
            for kind in ("after", "drop", "drop-after"):
                lossy.trouble(kind, "model-versions/create")
            assert int(client.create_model_version(name, f"s3://b/{number}").version) == number
        client.rename_registered_model(name, f"{name} b")
        assert numbers(client.search_model_versions(f"name = '{name} b'", order_by=["version_number ASC"])) == [1, 2, 3]
    endpoint.close_transports()


PROCESS = """
import sys
from fitscribe import Client
client = Client()
client.ensure_registered_model("churn")
sys.stdin.readline()
print(client.create_model_version("churn", "s3://bucket/model").version)
"""


@pytest.mark.parametrize("where", ["embedded", "MLflow 3"])
def test_32_processes_at_once_get_32_numbers(where, request, tmp_path):
    uri = request.getfixturevalue("mlflow_server") if where == "MLflow 3" else ""
    variables = {**os.environ, "MLFLOW_TRACKING_URI": uri, "FITSCRIBE_READ_TIMEOUT": "60"}
    code = PROCESS.replace("churn", f"churn {uuid.uuid4().hex}")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=tmp_path, env=variables,
        )
        for _ in range(32)
    ]  # fmt: skip
    for each in started:
        each.stdin.write("go\n")
        each.stdin.flush()
    said, errors = zip(*(each.communicate(timeout=180) for each in started), strict=True)
    assert "".join(errors) == ""
    assert sorted(int(each) for each in said) == list(range(1, 33))
