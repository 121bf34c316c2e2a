"""Searches in the embedded store: what is found, and in what order."""

from __future__ import annotations

import pytest

INVALID = "INVALID_PARAMETER_VALUE"


def written(pairs):
    return [{"key": key, "value": value} for key, value in pairs.items()]


@pytest.fixture
def runs(post, new_run):
    """Four runs: a, b and c, and d with nothing; e is deleted. Their ids by name."""
    ids = {}
    for number, (name, metrics, params, tags) in enumerate(
        [
            ("a", {"acc": 0.5, "val/f1": 1}, {"lr": "0.1", "has space": "x"}, {"team": "Red", "a b": "1"}),
            ("b", {"acc": 0.9, "val/f1": -2}, {"lr": "0.01"}, {"team": "red"}),
            ("c", {"acc": "NaN"}, {"lr": "0.1"}, {"team": "Übung"}),
            ("d", {}, {}, {}),
            ("e", {"acc": 0.9}, {}, {}),
        ]
    ):
        run = ids[name] = new_run(run_name=name, start_time=100 + number, user_id="ann" if name < "c" else "bob")
        points = [{"key": key, "value": value, "timestamp": 1} for key, value in metrics.items()]
        post("runs/log-batch", run_id=run, metrics=points, params=written(params), tags=written(tags))
    post("runs/update", run_id=ids["a"], status="FINISHED", end_time=500)
    post("runs/update", run_id=ids["b"], status="FAILED", end_time=400)
    for name, dataset, context in [("a", "iris", "train"), ("a", "wine", "eval"), ("b", "iris", "eval")]:
        tags = [{"key": "mlflow.data.context", "value": context}]
        sent = {"dataset": {"name": dataset, "digest": f"d-{dataset}"}, "tags": tags}
        post("runs/log-inputs", run_id=ids[name], datasets=[sent])
    post("runs/delete", run_id=ids["e"])
    return ids


@pytest.fixture
def names(post):
    """Search; the names of the runs that were found, in order."""

    def search(filter="", *order_by, **more):
        answer = post("runs/search", experiment_ids=["0"], filter=filter, order_by=list(order_by), **more)
        return "".join(run["info"]["run_name"] for run in answer.get("runs", []))

    return search


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "dcba"),
        ("metrics.acc > 0.4", "ba"),
        ("metrics.acc >= 0.9", "b"),
        ("metrics.acc = 0.5", "a"),
        ("metrics.acc < 0.9", "a"),
        ("metrics.acc <= 0.9", "ba"),
        ("metrics.acc != 0.5", "cb"),
        ("metrics.acc != 0", "cba"),
        ("metrics.`val/f1` = -2", "b"),
        ('metrics."val/f1" > 1e-3', "a"),
        ("metrics.nothing != 1", ""),
        ("params.lr = '0.1'", "ca"),
        ("params.lr != '0.1'", "b"),
        ("params.lr LIKE '0.0%'", "b"),
        ("params.lr IN ('0.01', '7')", "b"),
        ("params.lr NOT IN ('0.01', '7')", "ca"),
        ("params.lr IS NULL", "d"),
        ("params.lr IS NOT NULL", "cba"),
        ("params.`has space` = 'x'", "a"),
        ("tags.\"a b\" = '1'", "a"),
        ("tags.team = 'red'", "b"),
        ("tags.team LIKE 'r%'", "b"),
        ("tags.team LIKE 'R_d'", "a"),
        ("tags.team ILIKE 'r%'", "ba"),
        ("tags.team ILIKE 'ÜB%'", "c"),
        ("tags.team != 'red'", "ca"),
        ("tags.team IN ('Red', 'red')", "ba"),
        ("tags.mlflow.runName = 'd'", "d"),
        ("run_name = 'a'", "a"),
        ("run_name != 'a'", "dcb"),
        ("attributes.`run name` ILIKE 'A'", "a"),
        ("attributes.run_name NOT IN ('a', 'b')", "dc"),
        ("status = 'FINISHED'", "a"),
        ("status IN ('FINISHED', 'FAILED')", "ba"),
        ("status != 'RUNNING'", "ba"),
        ("user_id = 'bob'", "dc"),
        ("start_time > 101", "dc"),
        ("created = 100", "a"),
        ("end_time >= 400.5", "a"),
        ("end_time != 400", "a"),
        ("dataset.name = 'iris'", "ba"),
        ("dataset.name = 'wine'", "a"),
        ("dataset.digest LIKE 'd-w%'", "a"),
        ("dataset.context = 'train'", "a"),
        ("dataset.context IN ('eval')", "ba"),
        ("metrics.acc > 0.4 AND params.lr = '0.1' and tags.team ILIKE 'RED'", "a"),
        ("metrics.acc > 0.4 AND metrics.`val/f1` < 0 AND ", "b"),
    ],
)
def test_a_filter_finds_the_runs_that_fit(names, runs, text, found):
    assert names(text) == found


def test_runs_are_found_by_id_and_by_artifact_uri(names, runs, folder):
    uri = f"{folder.as_uri()}/artifacts/0/{runs['a']}/artifacts"
    assert names(f"run_id = '{runs['a']}'") == "a"
    assert names(f"run_id IN ('{runs['a']}', '{runs['b']}')") == "ba"
    assert names(f"run_id NOT IN ('{runs['a']}', '{runs['b']}')") == "dc"
    assert names(f"artifact_uri = '{uri}'") == "a"
    assert names(f"artifact_uri LIKE '%{runs['b']}%'") == "b"


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (["start_time"], "abcd"),
        (["attributes.start_time DESC"], "dcba"),
        (["run_name"], "abcd"),
        (["metrics.acc"], "abcd"),
        (["metrics.acc DESC"], "bacd"),
        (["metrics.`val/f1` ASC"], "badc"),
        (["params.lr"], "bcad"),
        (["params.lr DESC"], "cabd"),
        (["params.lr DESC", "run_name ASC"], "acbd"),
        (["tags.team"], "abcd"),
        (["end_time"], "badc"),
        (["end_time DESC"], "abdc"),
        (["user_id DESC", "created"], "cdab"),
    ],
)
def test_runs_are_sorted_and_what_is_missing_comes_last(names, runs, order, found):
    assert names("", *order) == found


@pytest.mark.parametrize(
    "order",
    [["metrics.acc", "metrics.acc"], ["created", "start_time DESC"], ["nothing"], ["metrics.a/b"], "start_time"],
)
def test_an_ordering_that_cannot_be_is_refused(post, order):
    assert post("runs/search", experiment_ids=["0"], order_by=order) == (400, INVALID)


@pytest.mark.parametrize(
    ("view", "found"), [("ACTIVE_ONLY", "dcba"), ("DELETED_ONLY", "e"), ("ALL", "edcba"), (2, "e"), (None, "dcba")]
)
def test_deleted_runs_are_found_on_demand(names, runs, view, found):
    assert names(run_view_type=view) == found


def test_runs_of_several_experiments_are_found_together(post, names, runs, new_run):
    post("experiments/create", name="other")
    new_run(experiment_id="1", run_name="z", start_time=102)
    for ids, found in [(["1"], "z"), (["0", "1"], {"z", "a", "b", "c", "d"}), (["7"], ""), ([], ""), (["1", "1"], "z")]:
        answer = post("runs/search", experiment_ids=ids)
        assert {run["info"]["run_name"] for run in answer.get("runs", [])} == set(found)
        assert bool(answer) is bool(found)


def test_found_runs_are_whole(post, get, runs):
    found = post("runs/search", experiment_ids=["0"])["runs"]
    assert found == [get("runs/get", run_id=runs[name])["run"] for name in "dcba"]
    assert found[3]["data"]["metrics"] == [
        {"key": "acc", "value": 0.5, "timestamp": 1, "step": 0},
        {"key": "val/f1", "value": 1.0, "timestamp": 1, "step": 0},
    ]
    assert found[1]["data"]["metrics"] == [{"key": "acc", "value": "NaN", "timestamp": 1, "step": 0}]


def test_results_come_in_pages_without_gaps(post, runs):
    seen, token = [], None
    while token != "":
        answer = post("runs/search", experiment_ids=["0"], max_results=3, page_token=token, order_by=["params.lr"])
        seen.append("".join(run["info"]["run_name"] for run in answer["runs"]))
        token = answer.get("next_page_token", "")
    assert seen == ["bca", "d"]


@pytest.mark.parametrize(
    "body",
    [
        {"filter": "  "},
        {"filter": "metrics.a > '1'"},
        {"filter": "params.a = 'x' OR params.b = 'y'"},
        {"filter": 5},
        {"experiment_ids": "0"},
        {"experiment_ids": ["zero"]},
        {"experiment_ids": [0]},
        {"max_results": 0},
        {"max_results": 50_001},
        {"max_results": "many"},
        {"page_token": "rubbish"},
        {"page_token": "bmV4dDotNQ=="},
        {"run_view_type": "XX"},
    ],
)
def test_a_search_that_cannot_be_is_refused(post, body):
    assert post("runs/search", **{"experiment_ids": ["0"], **body}) == (400, INVALID)


def test_a_filter_that_does_not_parse_is_shown_with_a_caret(refusal):
    message = refusal("runs/search", experiment_ids=["0"], filter="metrics.a >")
    expected = "Invalid filter: expected a number without quotes, found the end\n  metrics.a >\n             ^"
    assert message == expected


def test_the_largest_filter_that_parses_is_answered(post):
    texts = " AND ".join(["params.a = 'x'", "metrics.b != 1", "dataset.context = 'y'", "tags.c IS NULL"] * 50)
    assert post("runs/search", experiment_ids=["0"], filter=texts) == {}
    values = ", ".join(f"'{number}'" for number in range(5000))
    assert post("runs/search", experiment_ids=["0"], filter=f"run_id IN ({values}) AND status IN ({values})") == {}
    assert post("runs/search", experiment_ids=[str(number) for number in range(1, 50_000)]) == {}


@pytest.fixture
def experiments(post):
    for name, tags in [("one", {"team": "x"}), ("Two", {"team": "y"}), ("three", {}), ("gone", {})]:
        post("experiments/create", name=name, tags=written(tags))
    post("experiments/delete", experiment_id="4")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"Default", "one", "Two", "three"}),
        ("name = 'one'", {"one"}),
        ("name LIKE 't%'", {"three"}),
        ("attribute.name ILIKE 't%'", {"Two", "three"}),
        ("name != 'one' AND name NOT IN ('Two')", {"Default", "three"}),
        ("tags.team = 'x'", {"one"}),
        ("tags.team != 'x'", {"Two"}),
        ("tag.team IS NULL", {"Default", "three"}),
        ("experiment_id IN ('1', '3')", {"one", "three"}),
        ("experiment_id = '2'", {"Two"}),
        ("creation_time > 0 AND last_update_time >= 1", {"Default", "one", "Two", "three"}),
        ("creation_time < 5", set()),
    ],
)
def test_a_filter_finds_the_experiments_that_fit(post, experiments, text, found):
    answer = post("experiments/search", max_results=10, filter=text)
    assert {each["name"] for each in answer.get("experiments", [])} == found


def test_experiments_are_sorted_and_come_in_pages(post, get, experiments):
    def search(ask, **query):
        return [each["name"] for each in ask("experiments/search", **query).get("experiments", [])]

    assert search(post, max_results=9, order_by=["name"]) == ["Default", "Two", "one", "three"]
    assert search(post, max_results=9, order_by=["experiment_id DESC"]) == ["three", "Two", "one", "Default"]
    assert search(get, max_results="9", order_by="name DESC", view_type="3") == [
        "three",
        "one",
        "gone",
        "Two",
        "Default",
    ]
    assert search(get, max_results=["9"], order_by=["name"], view_type="DELETED_ONLY") == ["gone"]
    first = post("experiments/search", max_results=3, order_by=["name"])
    more = post("experiments/search", max_results=3, order_by=["name"], page_token=first["next_page_token"])
    assert [each["name"] for each in more["experiments"]] == ["three"]
    assert "next_page_token" not in more


def test_an_experiment_search_must_say_how_many(post):
    assert post("experiments/search") == (400, INVALID)
    assert post("experiments/search", max_results=50_001) == (400, INVALID)
    assert post("experiments/search", max_results=5, order_by=["tags.a"]) == (400, INVALID)
