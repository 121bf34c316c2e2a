"""A model of a run becomes a version, wherever its files are on their way, and tells where it comes from."""

from __future__ import annotations

import pytest

import fitscribe
import fitscribe.pyfunc
from fitscribe import MisuseError, NotFoundError, config
from fitscribe.client import Client
from fitscribe.errors import TransportError


def logged(run) -> str:
    """Log the least that is a model; its URI."""
    run.log_text("flavors: {}\n", "model/MLmodel")
    return f"runs:/{run.info.run_id}/model"


def test_a_model_of_a_run_is_registered_under_a_new_name():
    with fitscribe.start_run() as run:
        made = fitscribe.register_model(logged(run), "churn", tags={"team": "a"})
        again = fitscribe.register_model(f"runs:/{run.info.run_id}/model", "churn")
    assert (made.name, made.version, again.version, made.status) == ("churn", "1", "2", "READY")
    assert (made.run_id, made.tags["team"]) == (run.info.run_id, "a")
    assert made.source == f"{run.info.artifact_uri}/model"
    assert fitscribe.search_registered_models()[0].latest_versions == [again]
    assert [each.version for each in fitscribe.search_model_versions(order_by=["version_number"])] == ["1", "2"]
    fitscribe.set_model_version_tag("churn", "1", "seen", True)
    assert Client().get_model_version("churn", 1).tags["seen"] == "True"


def test_what_is_still_on_its_way_is_waited_for(served):
    fitscribe.set_tracking_uri(served.uri)
    served.trouble("answer", "/artifacts/model/MLmodel", times=2)
    with fitscribe.start_run() as run:
        run.log_text("flavors: {}\n", "model/MLmodel")
        made = fitscribe.register_model(f"runs:/{run.info.run_id}/model", "churn")
    assert (made.version, made.run_id) == ("1", run.info.run_id)


def test_a_run_without_such_a_model_says_so():
    with fitscribe.start_run() as run:
        run.log_text("words", "notes/readme.txt")
        with pytest.raises(NotFoundError, match="has no model at 'notes': there is no notes/MLmodel"):
            fitscribe.register_model(f"runs:/{run.info.run_id}/notes", "churn")
    with pytest.raises(NotFoundError, match="not found"):
        fitscribe.register_model("runs:/0123/model", "churn")
    assert fitscribe.search_registered_models() == [], "no name is taken for nothing"


@pytest.mark.parametrize("uri", ["runs:/", "runs:/abc", "models:/", "models:/a/b/c", "models:/a@", "models://host/a/1"])
def test_uris_that_name_no_model_are_explained(uri):
    with pytest.raises(MisuseError, match=r"names no (model|version)|no URI of the registry"):
        fitscribe.register_model(uri, "churn")


def test_a_version_or_a_folder_can_be_registered_under_another_name(tmp_path):
    (tmp_path / "saved").mkdir()
    with pytest.raises(NotFoundError, match="there is no file MLmodel"):
        fitscribe.register_model("saved", "mine")
    (tmp_path / "saved/MLmodel").write_text("flavors: {}\n")
    first = fitscribe.register_model("saved", "mine")
    assert first.source == (tmp_path / "saved").as_uri()
    Client().transition_model_version_stage("mine", 1, "Staging")
    for uri in ("models:/mine/1", "models:/mine/latest", "models:/mine/staging"):
        copy = fitscribe.register_model(uri, "live")
        assert copy.source == "models:/mine/1"
    assert Client().get_model_version_download_uri("live", 3) == first.source


def test_a_server_sees_no_folder_of_this_machine(served, tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    fitscribe.set_tracking_uri(served.uri)
    with pytest.raises(MisuseError, match="does not see the folder"):
        fitscribe.register_model(tmp_path, "mine")


def test_a_version_leads_to_its_run_the_search_around_it_and_the_best_candidate():
    with fitscribe.start_run(run_name="sweep"):
        with fitscribe.start_run(run_name="search", nested=True) as search:
            search.log_metrics({"best_cv_score": 0.9})
            for number in range(3):
                tags = {"fitscribe.best": "true"} if number == 1 else {}
                with fitscribe.start_run(run_name=f"candidate {number}", nested=True, tags=tags) as kid:
                    kid.log_metric("mean_test_score", number)
            uri = logged(search)
        version = fitscribe.register_model(uri, "churn")
    client = Client()
    lineage = client.get_model_version_lineage("churn", version.version)
    assert lineage.run.info.run_name == "search"
    assert [each.info.run_name for each in lineage.parents] == ["sweep"]
    assert lineage.child.info.run_name == "candidate 1"
    assert version.parent_run_id == lineage.parents[0].info.run_id
    assert version.child_run_id == lineage.child.info.run_id
    assert client.copy_model_version("models:/churn/1", "live").child_run_id == version.child_run_id


def test_lineage_ends_where_nobody_knows_more():
    client = Client()
    client.create_registered_model("churn")
    client.create_model_version("churn", "s3://b/1")
    client.create_model_version("churn", "s3://b/1", "0" * 32)
    assert client.get_model_version_lineage("churn", 1).run is None
    assert client.get_model_version_lineage("churn", 2).run is None


def test_a_dead_server_is_named_when_one_registers():
    config.configure(tracking_uri="http://127.0.0.1:9", read_timeout=0.3)
    with pytest.raises(TransportError, match="gave no answer"):
        fitscribe.register_model("models:/churn/1", "live", await_registration_for=0)


def test_where_the_registry_is_can_be_asked_and_set(served):
    fitscribe.set_registry_uri(served.uri.replace("http://", "http://me:secret@"))
    assert fitscribe.get_registry_uri() == served.uri
    fitscribe.set_registry_uri("")
    assert fitscribe.get_registry_uri() == fitscribe.get_tracking_uri()
    with pytest.raises(MisuseError, match="unknown scheme"):
        fitscribe.set_registry_uri("gopher://host")


def twice(model_input):
    return [2 * each for each in model_input]


def test_a_model_goes_to_the_registry_that_is_named_and_tells_of_the_run_around_its_own(tmp_path):
    fitscribe.set_registry_uri(tmp_path / "registry")
    with fitscribe.start_run() as outer, fitscribe.start_run(nested=True) as run:
        info = fitscribe.pyfunc.log_model(
            python_model=twice, name="m", registered_model_name="auto", await_registration_for=30
        )
        assert info.registered_model_version == 1
    by_hand = fitscribe.register_model(info.model_uri, "by-hand")
    [version] = Client(tmp_path / "registry").search_model_versions("name = 'auto'")
    assert (version.run_id, version.parent_run_id) == (run.info.run_id, outer.info.run_id)
    assert version.source == by_hand.source == Client().get_logged_model(info.model_id).artifact_location
    fitscribe.set_registry_uri("")
    assert fitscribe.search_model_versions() == []


def test_mlflows_words_on_a_logged_model_are_kept():
    with fitscribe.start_run() as run:
        info = fitscribe.pyfunc.log_model(
            python_model=twice, name="m", params={"a": 1}, tags={"team": "a"}, model_type="toy", step=3
        )
    found = Client().get_logged_model(info.model_id)
    assert (found.params, found.tags["team"], found.model_type) == ({"a": "1"}, "a", "toy")
    assert [each.step for each in Client().get_run(run.info.run_id).outputs.model_outputs] == [3]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"registered_model_name": "a/b"}, "without / and :"),
        ({"registered_model_name": ""}, "without / and :"),
        ({"tags": ["x"]}, "tags come as a dict"),
        ({"step": "x"}, "a step is a whole number"),
        ({"params": "C=1"}, "params come as a dict"),
    ],
)
def test_what_no_server_would_take_of_a_model_is_said_at_once(wrong, words):
    with pytest.raises(MisuseError, match=words), fitscribe.start_run():
        fitscribe.pyfunc.log_model(python_model=twice, name="m", **wrong)
    with pytest.raises(MisuseError, match="without / and :"):
        fitscribe.register_model("runs:/0123/model", "a:b")
