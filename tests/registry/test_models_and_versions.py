"""Registered models and versions of the embedded store, as users of the client see them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fitscribe import FitscribeError, MisuseError, NotFoundError, config
from fitscribe.client import Client
from fitscribe.errors import FilterError, ServerError
from fitscribe.reading import endpoint


@pytest.fixture
def churn(client):
    """A registered model with three versions."""
    client.create_registered_model("churn", {"team": "a"}, "who leaves")
    for number in (1, 2, 3):
        client.create_model_version("churn", f"s3://bucket/{number}", f"run{number}", {"n": number}, "http://link", "d")
    return client


def test_a_registered_model_shows_what_it_was_made_with(client):
    made = client.create_registered_model("churn é #1", {"team": "a", "n": 1}, "who leaves")
    assert (made.name, made.description, made.tags) == ("churn é #1", "who leaves", {"team": "a", "n": "1"})
    assert made.creation_timestamp == made.last_updated_timestamp > 1_700_000_000_000
    assert (made.latest_versions, made.aliases) == ([], {})
    assert client.get_registered_model("churn é #1") == made


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", None, 5])
def test_a_name_that_no_uri_could_hold_is_refused_at_once(client, name):
    with pytest.raises(MisuseError, match="name of text without / and :"):
        client.create_registered_model(name)


def test_a_name_is_taken_once(churn):
    with pytest.raises(ServerError, match=r"RESOURCE_ALREADY_EXISTS 400: Registered Model \(name=churn\) already"):
        churn.create_registered_model("churn")
    churn.create_registered_model("other")
    with pytest.raises(ServerError, match="already exists"):
        churn.rename_registered_model("other", "churn")


def test_versions_are_counted_and_deleted_numbers_not_given_again(churn):
    for number in ("3", 2):
        churn.delete_model_version("churn", number)
    assert churn.create_model_version("churn", "s3://bucket/4").version == "4"
    churn.delete_model_version("churn", 4)
    assert churn.create_model_version("churn", "s3://bucket/5").version == "5"
    assert [each.version for each in churn.search_model_versions("name = 'churn'")] == ["5", "1"]
    with pytest.raises(NotFoundError, match=r"Model Version \(name=churn, version=3\) not found"):
        churn.get_model_version("churn", 3)


def test_a_version_shows_what_it_was_made_with(churn):
    found = churn.get_model_version("churn", 2)
    assert (found.name, found.version, found.current_stage, found.status) == ("churn", "2", "None", "READY")
    assert (found.source, found.run_id, found.run_link, found.description) == (
        "s3://bucket/2", "run2", "http://link", "d",
    )  # fmt: skip
    assert found.tags.pop("fitscribe.registration_key")
    assert found.tags == {"n": "2"}
    assert (found.parent_run_id, found.child_run_id) == (None, None)
    assert churn.get_model_version_download_uri("churn", 2) == "s3://bucket/2"


def test_a_stage_has_one_version_where_the_others_make_room(churn):
    assert churn.transition_model_version_stage("churn", 1, "production").current_stage == "Production"
    assert churn.transition_model_version_stage("churn", 2, "PRODUCTION").current_stage == "Production"
    moved = churn.transition_model_version_stage("churn", 3, "Production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    assert {each.version: each.current_stage for each in churn.search_model_versions()} == {
        "1": "Archived", "2": "Archived", "3": "Production",
    }  # fmt: skip
    latest = {each.current_stage: each.version for each in churn.get_latest_versions("churn")}
    assert latest == {"Archived": "2", "Production": "3"}
    assert [each.version for each in churn.get_latest_versions("churn", ["production", "Staging"])] == ["3"]
    assert [each.version for each in churn.get_registered_model("churn").latest_versions] == ["2", "3"]
    assert churn.get_model_version_stages("churn", 1) == ["None", "Staging", "Production", "Archived"]


def test_a_stage_that_is_none_is_refused_with_those_that_are(churn):
    with pytest.raises(MisuseError, match="there is no stage 'Live'; there are None, Staging, Production, Archived"):
        churn.transition_model_version_stage("churn", 1, "Live")
    with pytest.raises(MisuseError, match="goes with Staging and Production, not with Archived"):
        churn.transition_model_version_stage("churn", 1, "archived", archive_existing_versions=True)


def test_aliases_move_and_go_with_their_version(churn):
    churn.set_registered_model_alias("churn", "champion", 1)
    churn.set_registered_model_alias("churn", "champion", "2")
    churn.set_registered_model_alias("churn", "é_-1", 2)
    assert churn.get_model_version_by_alias("churn", "champion").version == "2"
    assert churn.get_model_version("churn", 2).aliases == ["champion", "é_-1"]
    assert churn.get_model_version("churn", 1).aliases == []
    assert churn.get_registered_model("churn").aliases == {"champion": "2", "é_-1": "2"}
    churn.delete_registered_model_alias("churn", "é_-1")
    churn.delete_registered_model_alias("churn", "é_-1")
    churn.delete_model_version("churn", 2)
    assert churn.get_registered_model("churn").aliases == {}
    with pytest.raises(NotFoundError, match="the registered model 'churn' has no alias 'champion'"):
        churn.get_model_version_by_alias("churn", "champion")
    with pytest.raises(NotFoundError, match="Registered Model with name=nobody not found"):
        churn.get_model_version_by_alias("nobody", "champion")


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V22", "a b", "a/b", "a.b", "x" * 256, ""])
def test_aliases_that_mean_something_else_are_refused(churn, alias):
    with pytest.raises(ServerError) as refused:
        churn.set_registered_model_alias("churn", alias, 1)
    assert refused.value.status == 400


def test_tags_are_set_changed_and_taken_away(churn):
    churn.set_registered_model_tag("churn", "team", "b")
    churn.set_registered_model_tag("churn", "new", 5)
    churn.delete_registered_model_tag("churn", "nothing")
    churn.set_model_version_tag("churn", 1, "n", "9")
    churn.delete_model_version_tag("churn", 2, "n")
    churn.delete_model_version_tag("churn", 2, "n")
    churn.transition_model_version_stage("churn", 3, "Staging")
    churn.set_model_version_tag("churn", key="seen", value=True, stage="staging")
    assert churn.get_registered_model("churn").tags == {"team": "b", "new": "5"}
    tags = {each.version: each.tags for each in churn.search_model_versions()}
    assert (tags["1"]["n"], "n" in tags["2"], tags["3"]["seen"]) == ("9", False, "True")
    with pytest.raises(MisuseError, match="name a version or a stage"):
        churn.set_model_version_tag("churn", key="a", value="b")


def test_a_renamed_model_keeps_all_it_had(churn):
    churn.set_registered_model_alias("churn", "champion", 2)
    churn.transition_model_version_stage("churn", 2, "Staging")
    renamed = churn.rename_registered_model("churn", "churn 2")
    assert (renamed.name, renamed.tags, renamed.aliases) == ("churn 2", {"team": "a"}, {"champion": "2"})
    assert churn.get_model_version("churn 2", 2).tags["n"] == "2"
    with pytest.raises(NotFoundError):
        churn.get_registered_model("churn")
    assert churn.create_model_version("churn 2", "s3://b/4").version == "4"


def test_descriptions_change_and_go(churn):
    assert churn.update_registered_model("churn", "new words").description == "new words"
    assert churn.update_registered_model("churn").description == ""
    assert churn.update_model_version("churn", 1, "new words").description == "new words"
    assert churn.update_model_version("churn", 1).description == ""


def test_a_deleted_model_is_gone_with_its_versions_and_its_name_free(churn):
    churn.set_registered_model_alias("churn", "champion", 2)
    churn.delete_registered_model("churn")
    assert churn.search_registered_models() == churn.search_model_versions() == []
    with pytest.raises(NotFoundError):
        churn.delete_registered_model("churn")
    churn.create_registered_model("churn")
    assert churn.create_model_version("churn", "s3://b/1").version == "1"


def test_a_copy_points_at_the_files_of_the_first(churn):
    churn.set_registered_model_alias("churn", "champion", 2)
    copy = churn.copy_model_version("models:/churn@champion", "live")
    again = churn.copy_model_version("models:/live/latest", "live")
    assert (copy.name, copy.version, copy.source, copy.run_id) == ("live", "1", "models:/churn/2", "run2")
    assert (again.version, again.source) == ("2", "models:/live/1")
    assert copy.tags["n"] == "2"
    assert churn.get_model_version_download_uri("live", 2) == "s3://bucket/2"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("name = 'churn'", "321"),
        ("name != 'churn'", ""),
        ("name ILIKE 'CH%'", "321"),
        ("name LIKE 'CH%'", ""),
        ("version_number >= 2", "32"),
        ("version_number = '2'", "2"),
        ("run_id = 'run1'", "1"),
        ("run_id IN ('run1', 'run3')", "31"),
        ("source_path LIKE 's3://bucket/%' AND tags.n = '3'", "3"),
        ("tags.n != '3'", "21"),
        ("tags.nothing IS NULL and attributes.name = 'churn'", "321"),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", "321"),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", ""),
    ],
)
def test_versions_are_found_by_filter(churn, words, found):
    assert "".join(each.version for each in churn.search_model_versions(words)) == found


def test_models_are_found_sorted_and_paged(client):
    for name in ("b", "a", "c"):
        client.create_registered_model(name, {"kind": name.upper()})
    client.create_registered_model("words", {"mlflow.prompt.is_prompt": "true"})
    assert [each.name for each in client.search_registered_models()] == ["a", "b", "c"]
    assert [each.name for each in client.search_registered_models(order_by=["name DESC"])] == ["c", "b", "a"]
    assert [each.name for each in client.search_registered_models("tags.kind = 'B'")] == ["b"]
    prompts = client.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [each.name for each in prompts] == ["words"]
    page = client.search_registered_models(max_results=2)
    assert [each.name for each in client.search_registered_models(page_token=page.token)] == ["c"]


def test_a_filter_that_does_not_parse_points_at_the_place(churn):
    with pytest.raises(FilterError, match="use one of name, run_id, source_path, version_number"):
        churn.search_model_versions("stage = 'Production'")
    with pytest.raises(FilterError, match="there is no OR"):
        churn.search_registered_models("name = 'a' OR name = 'b'")
    with pytest.raises(MisuseError, match="from 1 to 1000"):
        churn.search_registered_models(max_results=0)


@pytest.mark.parametrize(
    "source", ["/etc/../etc", "s3://b/%2e%2e/x", "s3://b/%252e%252e/x", "http://host/x", "runs:/abc/model",
               "models:/churn/99", "models:/churn", "models:/m-0123"]
)  # fmt: skip
def test_sources_that_cannot_be_are_refused(churn, source):
    with pytest.raises(FitscribeError):
        churn.create_model_version("churn", source)
    assert churn.create_model_version("churn", "s3://b/4").version == "4", "a refused one takes no number"


def test_a_server_gives_out_no_path_of_its_disk(served, tmp_path):
    """The store behind a server is asked by others than the owner of the disk."""
    client = Client(served.uri)
    client.create_registered_model("spy")
    run = client.endpoint.ask("POST", "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
    outside = tmp_path / "secret"
    outside.mkdir()
    for source in (str(outside), outside.as_uri(), "/", run["artifact_uri"] + "/../../../x"):
        for run_id in (None, run["run_id"]):
            with pytest.raises(ServerError, match="Invalid model version source"):
                client.create_model_version("spy", source, run_id)
    link = Path(run["artifact_uri"].removeprefix("file://")) / "link"
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(ServerError, match="Invalid model version source"):
        client.create_model_version("spy", link.as_uri(), run["run_id"])
    assert client.create_model_version("spy", f"{run['artifact_uri']}/model", run["run_id"]).version == "1"


def test_versions_move_with_their_store(client, tmp_path):
    run = client.endpoint.ask("POST", "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
    client.create_registered_model("churn")
    made = client.create_model_version("churn", f"{run['artifact_uri']}/model", run["run_id"])
    assert made.source == f"{run['artifact_uri']}/model"
    client.copy_model_version("models:/churn/1", "live")
    endpoint.close_transports()
    shutil.move(tmp_path / ".fitscribe", tmp_path / "elsewhere")
    moved = Client(tmp_path / "elsewhere")
    here = f"{(tmp_path / 'elsewhere' / 'artifacts').as_uri()}/0/{run['run_id']}/artifacts/model"
    assert moved.get_model_version("churn", 1).source == here
    assert moved.get_model_version_download_uri("churn", 1) == here
    assert moved.get_model_version_download_uri("live", 1) == here
    assert [each.version for each in moved.search_model_versions(f"source_path = '{here}'")] == ["1"]


def test_the_registry_may_be_somewhere_else(tmp_path, served):
    config.configure(registry_uri=served.uri)
    client = Client()
    client.create_registered_model("there")
    assert client.registry_uri == served.uri
    assert [each.name for each in Client(served.uri).search_registered_models()] == ["there"]
    config.configure(registry_uri=None)
    assert Client().search_registered_models() == []


def test_a_logged_model_becomes_a_version_and_knows_of_it(client, tmp_path):
    run = client.endpoint.ask("POST", "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
    made = client.create_logged_model("0", "trained", source_run_id=run["run_id"])
    client.create_registered_model("churn")
    version = client.register_model(f"models:/{made.model_id}", "churn")
    assert (version.source, version.model_id) == (f"models:/{made.model_id}", made.model_id)
    assert version.run_id == run["run_id"]
    copy = client.copy_model_version("models:/churn/1", "live")
    assert client.get_model_version_download_uri("live", copy.version) == made.artifact_location
    assert '{"name": "churn", "version": 1}' in client.get_logged_model(made.model_id).tags["mlflow.modelVersions"]
    with pytest.raises(NotFoundError):
        client.register_model("models:/m-0123", "churn")
    assert client.get_model_version_lineage("churn", 1).run.info.run_id == run["run_id"]
