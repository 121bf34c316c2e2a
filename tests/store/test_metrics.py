"""Metrics and batches of the embedded store."""

from __future__ import annotations

import pytest

INVALID = "INVALID_PARAMETER_VALUE"


def metric(key, value, timestamp=1, step=0):
    return {"key": key, "value": value, "timestamp": timestamp, "step": step}


def test_points_come_back_by_time_step_and_value(post, points, new_run):
    run = new_run()
    for value, timestamp, step in [(3, 5, 0), (1, 5, 0), (2, 4, 9), (7, 5, -1)]:
        post("runs/log-metric", run_id=run, key="a", value=value, timestamp=timestamp, step=step)
    assert points(run, "a") == [(2.0, 4, 9), (7.0, 5, -1), (1.0, 5, 0), (3.0, 5, 0)]


def test_latest_is_by_step_then_time_then_value(post, data, new_run):
    run = new_run()
    for value, timestamp, step, latest in [
        (1.0, 10, 5, (1.0, 10, 5)),
        (2.0, 99, 4, (1.0, 10, 5)),  # an older step that comes later
        (3.0, 11, 5, (3.0, 11, 5)),
        (2.5, 11, 5, (3.0, 11, 5)),
        (4.0, 11, 5, (4.0, 11, 5)),
        ("NaN", 11, 5, (4.0, 11, 5)),  # NaN counts as 0 among values
        (-1.0, 1, 6, (-1.0, 1, 6)),
        ("NaN", 1, 6, ("NaN", 1, 6)),
    ]:
        post("runs/log-metric", run_uuid=run, key="a", value=value, timestamp=timestamp, step=step)
        assert data(run)["metrics"] == {"a": latest}


def test_a_batch_leaves_the_latest_of_its_points(post, data, new_run):
    run = new_run()
    post("runs/log-batch", run_id=run, metrics=[metric("a", 1, step=3), metric("a", 2, step=1), metric("b", 5)])
    post("runs/log-batch", run_id=run, metrics=[metric("a", 9, step=2), metric("b", 4)])
    assert data(run)["metrics"] == {"a": (1.0, 1, 3), "b": (5.0, 1, 0)}


def test_numbers_that_are_not_finite_are_kept(post, points, data, new_run):
    run = new_run()
    values = ["NaN", "Infinity", "-Infinity", 0, -0.5, 1e308, 5e-324]
    post("runs/log-batch", run_id=run, metrics=[metric("a", value, step=step) for step, value in enumerate(values)])
    assert points(run, "a") == [(value, 1, step) for step, value in enumerate(values)]
    assert data(run)["metrics"] == {"a": (5e-324, 1, 6)}


@pytest.mark.parametrize(
    "bad",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": "nan"},
        {"value": "inf"},
        {"value": "abc"},
        {"value": "1_000"},
        {"value": True},
        {"value": None},
        {"value": 10**400},
        {"value": [1]},
        {"step": 1.5},
        {"step": 2**63},
        {"step": "x"},
        {"step": True},
        {"timestamp": 1.5},
        {"timestamp": -1},
        {"timestamp": None},
        {"timestamp": "9" * 30},
        {"key": None},
        {"key": ""},
        {"key": 5},
        {"key": "mAP@50"},
        {"key": "x" * 251},
        {"key": "a//b"},
        {"key": "../x"},
        {"key": "/x"},
        {"key": "x\n"},
        {"key": "."},
    ],
)
def test_a_bad_point_is_refused_and_nothing_of_its_batch_is_written(post, data, new_run, bad):
    run = new_run()
    good = metric("good", 1)
    assert post("runs/log-metric", run_id=run, **{**good, **bad}) == (400, INVALID)
    batch = {
        "metrics": [good, {**good, **bad}],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    assert post("runs/log-batch", run_id=run, **batch) == (400, INVALID)
    assert data(run) == {"metrics": {}, "params": {}, "tags": {}}


@pytest.mark.parametrize(
    "good", [{"step": 2.0}, {"step": "2"}, {"timestamp": 1.0}, {"value": "0.5"}, {"key": "précision/a b:c-d.e"}]
)
def test_other_spellings_of_good_points_are_taken(post, points, new_run, good):
    run, sent = new_run(), {**metric("a", 0.5, step=2), **good}
    assert post("runs/log-metric", run_id=run, **sent) == {}
    assert points(run, sent["key"]) == [(0.5, 1, 2)]


def test_a_batch_sent_again_changes_nothing(post, points, data, new_run):
    run = new_run()
    batch = {
        "metrics": [metric("a", "NaN"), metric("a", "NaN"), metric("a", 1), metric("a", 0)],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}],
    }
    for _ in range(2):
        assert post("runs/log-batch", run_id=run, **batch) == {}
        assert points(run, "a") == [(0.0, 1, 0), ("NaN", 1, 0), (1.0, 1, 0)]
        assert data(run) == {"metrics": {"a": (1.0, 1, 0)}, "params": {"p": "1"}, "tags": {"t": "2"}}


def test_fields_of_newer_clients_are_no_trouble(post, points, new_run):
    run = new_run()
    more = {"run_id": run, "model_id": "m-1", "dataset_name": "d", "dataset_digest": "x"}
    assert post("runs/log-batch", run_id=run, metrics=[{**metric("a", 1), **more}], later=True) == {}
    assert points(run, "a") == [(1.0, 1, 0)]


def test_a_changed_param_refuses_the_whole_batch(post, data, new_run, refusal):
    run = new_run()
    post("runs/log-parameter", run_id=run, key="p", value="1")
    batch = {"metrics": [metric("a", 1)], "params": [{"key": "q", "value": "1"}, {"key": "p", "value": "2"}]}
    assert "Changing param values is not allowed" in refusal("runs/log-batch", run_id=run, **batch)
    assert data(run) == {"metrics": {}, "params": {"p": "1"}, "tags": {}}


def test_a_param_twice_in_a_batch_is_refused_even_with_one_value(refusal, new_run):
    twice = [{"key": "p", "value": "1"}, {"key": "p", "value": "1"}]
    assert "Duplicate parameter keys" in refusal("runs/log-batch", run_id=new_run(), params=twice)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1001, 0, 0), "at most 1000 metrics. Got 1001 metrics."),
        ((0, 101, 0), "at most 100 params. Got 101 params."),
        ((0, 0, 101), "at most 100 tags. Got 101 tags."),
        ((950, 51, 0), "at most 1000 metrics, params, and tags. Got 1001 metrics, params, and tags."),
    ],
)
def test_a_batch_over_the_limits_is_refused(refusal, new_run, counts, words):
    metrics, params, tags = counts
    batch = {
        "metrics": [metric("a", number) for number in range(metrics)],
        "params": [{"key": f"p{number}", "value": "1"} for number in range(params)],
        "tags": [{"key": f"t{number}", "value": "1"} for number in range(tags)],
    }
    assert f"A batch logging request can contain {words}" in refusal("runs/log-batch", run_id=new_run(), **batch)


def test_a_thousand_metrics_of_a_thousand_names_fit_in_a_batch(post, data, new_run):
    run = new_run()
    for step in (0, 1):
        assert post("runs/log-batch", run_id=run, metrics=[metric(f"m{n}", n, step=step) for n in range(1000)]) == {}
    assert data(run)["metrics"] == {f"m{n}": (float(n), 1, 1) for n in range(1000)}


def test_history_comes_in_pages(post, get, new_run):
    run = new_run()
    post("runs/log-batch", run_id=run, metrics=[metric("a", step, step=step) for step in range(5)])
    steps, query = [], {"run_id": run, "run_uuid": run, "metric_key": "a", "max_results": "2"}
    while True:
        answer = get("metrics/get-history", **query)
        steps.append([item["step"] for item in answer["metrics"]])
        if "next_page_token" not in answer:
            break
        query["page_token"] = answer["next_page_token"]
    assert steps == [[0, 1], [2, 3], [4]]
    for bad in ({"max_results": "0"}, {"max_results": "-1"}, {"page_token": "rubbish"}, {"metric_key": ""}):
        assert get("metrics/get-history", **{**query, **bad}) == (400, INVALID)


def test_history_of_what_is_not_there_is_empty(get, new_run):
    assert get("metrics/get-history", run_id=new_run(), metric_key="a") == {}
    assert get("metrics/get-history", run_id="nobody", metric_key="a") == {}


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ({"max_results": "1"}, [9]),
        ({"max_results": "2"}, [0, 9]),
        ({"max_results": "4"}, [0, 3, 6, 9]),
        ({}, list(range(10))),
        ({"start_step": "3", "end_step": "5"}, [3, 4, 5]),
        ({"start_step": "3", "end_step": "8", "max_results": "3"}, [3, 5, 8]),
    ],
)
def test_a_sample_of_history_keeps_first_and_last(post, get, new_run, query, steps):
    run, other = new_run(), new_run()
    post("runs/log-batch", run_id=run, metrics=[metric("a", step, step=step) for step in range(10)])
    answer = get("metrics/get-history-bulk-interval", run_ids=[run, other], metric_key="a", **query)
    expected = [{"key": "a", "value": float(step), "timestamp": 1, "step": step, "run_id": run} for step in steps]
    assert answer == {"metrics": expected}


def test_a_sample_of_history_that_cannot_be_is_refused(get, new_run):
    run = new_run()
    for bad in (
        {"start_step": "1"},
        {"start_step": "5", "end_step": "1"},
        {"max_results": "2501"},
        {"run_ids": [run] * 101},
    ):
        query = {"run_ids": run, "metric_key": "a", **bad}
        assert get("metrics/get-history-bulk-interval", **query) == (400, INVALID)
    assert get("metrics/get-history-bulk-interval", run_ids="nobody", metric_key="a") == {}
