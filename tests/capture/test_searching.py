"""A search is followed while it runs: trials with a status of their own, how far it is, the best, a table."""

from __future__ import annotations

import csv
import io
import threading

import pytest

from fitscribe.records import Drawing
from fitscribe.run import Run


@pytest.fixture
def run(recorder):
    """The run of a search; it ends with the test, if it has not ended."""
    run = Run.start("search")
    yield run
    run.end()


def tried(search, key, value, **params):
    search.trial(key, params)
    search.done(key, value)


def table(recorder):
    text = recorder.artifacts(recorder.run("search"))["search_results.csv"].decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_trial_is_there_while_it_runs_and_ends_as_it_is_told(run, recorder):
    with run.search("loss", "minimize", total=3) as search:
        search.trial("a", {"lr": 0.1}, "lr=0.1", tags={"kind": "first"})
        child = recorder.run("lr=0.1")
        assert recorder.status(child) == "RUNNING"
        search.report("a", {"loss": 0.9}, step=0)
        search.report("a", {"loss": 0.7}, step=1)
        search.done("a", 0.5, metrics={"epochs": 2}, tags={"seen": "yes"})
        assert recorder.status(child) == "FINISHED"
        search.trial("b")
        search.done("b", status="KILLED")
        search.trial("c")
        search.done("c", status="FAILED", tags={"fitscribe.error": "ValueError: no"})
    found = recorder.children(recorder.run("search"))
    assert [each.name for each in found] == ["lr=0.1", "trial b", "trial c"]
    assert [recorder.status(each) for each in found] == ["FINISHED", "KILLED", "FAILED"]
    assert recorder.history(child, "loss") == [(0, 0.9), (1, 0.7), (1, 0.5)], "the last word, at the last step"
    assert recorder.params(child) == {"lr": "0.1"}
    assert recorder.metrics(child)["epochs"] == 2.0
    tags = recorder.tags(child)
    assert (tags["kind"], tags["seen"], tags["fitscribe.best"]) == ("first", "yes", "true")


def test_progress_and_the_best_so_far_are_told_on_the_run_of_the_search(run, recorder):
    parent = recorder.run("search")
    with run.search("score", "maximize", total=4) as search:
        tried(search, 0, 0.3, C=1)
        assert recorder.tags(parent)["fitscribe.progress"] == "1/4"
        assert recorder.history(parent, "best_score") == [(1, 0.3)]
        tried(search, 1, 0.8, C=2)
        tried(search, 2, 0.5, C=3)
    assert recorder.tags(parent)["fitscribe.progress"] == "3/4"
    assert recorder.history(parent, "best_score") == [(1, 0.3), (2, 0.8), (3, 0.8)]
    assert recorder.history(parent, "score") == [(0, 0.3), (1, 0.8), (2, 0.5)]
    assert recorder.params(parent) == {"best_C": "2"}
    assert recorder.tags(parent)["fitscribe.best_trial"] == "1"
    assert recorder.tags(parent)["fitscribe.trials"] == "3 FINISHED"


def test_a_thousand_short_trials_tell_their_progress_a_few_times(run, recorder):
    with run.search("loss", total=1000) as search:
        for key in range(1000):
            tried(search, key, key)
    told = recorder.history(recorder.run("search"), "best_loss")
    assert told[-1] == (1000, 0.0)
    assert len(told) < 200
    assert recorder.tags(recorder.run("search"))["fitscribe.progress"] == "1000/1000"


def test_the_table_has_a_row_for_each_trial_whatever_it_tried(run, recorder):
    with run.search("loss") as search:
        tried(search, "a", 2, depth=3)
        search.trial("b", {"kernel": "a,b"})
        search.done("b", 1, metrics={"accuracy": 0.5})
        search.trial("c")
    rows = table(recorder)
    assert list(rows[0]) == [
        "number", "trial", "status", "loss", "accuracy", "seconds", "param_depth", "param_kernel",
    ]  # fmt: skip
    assert [(row["trial"], row["status"], row["loss"]) for row in rows] == [
        ("a", "FINISHED", "2.0"),
        ("b", "FINISHED", "1.0"),
        ("c", "KILLED", ""),
    ]
    assert rows[1]["param_kernel"] == "a,b"


def test_the_chart_shows_the_objective_by_trial_and_the_best_so_far(run, recorder):
    with run.search("loss") as search:
        for key, value in enumerate([3, 1, 2]):
            tried(search, key, value)
    recorder.artifacts(recorder.run("search"))
    (drawing,) = [each for each in recorder.said if isinstance(each, Drawing)]
    assert drawing.path == "search_results.png"
    assert drawing.chart.series == {
        "loss": ([0.0, 1.0, 2.0], [3.0, 1.0, 2.0]),
        "best loss": ([0.0, 1.0, 2.0], [3.0, 1.0, 1.0]),
    }


@pytest.mark.parametrize(("error", "status"), [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_trials_that_never_ended_end_as_the_search_did(run, recorder, error, status):
    search = run.search()
    search.trial("left")
    with pytest.raises(type(error)), search:
        raise error
    assert recorder.status(recorder.run("trial left")) == status


def test_a_search_that_nobody_closed_ends_with_its_run(run, recorder):
    search = run.search("loss")
    tried(search, 0, 1.0, lr=0.1)
    search.trial("open")
    run.end("FAILED")
    assert recorder.status(recorder.run("trial open")) == "FAILED"
    assert recorder.params(recorder.run("search")) == {"best_lr": "0.1"}
    assert len(table(recorder)) == 2


def test_an_error_while_a_trial_is_tried_is_told_where_the_trial_failed(run, recorder):
    class Pruned(Exception):
        pass

    with run.search() as search:
        with pytest.raises(ValueError, match="too hot"), search.running("a"):
            raise ValueError("too hot")
        assert recorder.status(recorder.run("trial a")) == "RUNNING", "the framework may try it again"
        search.done("a", status="FAILED", tags={"number": "0"})
        with pytest.raises(Pruned), search.running("b"):
            raise Pruned
        search.done("b", status="KILLED")
        with search.running("c") as child:
            child.log_metrics({"x": 1})
        search.done("c", 1.0)
        with pytest.raises(ValueError, match="again"), search.running("d"):
            raise ValueError("again")
    ends = {each.name: recorder.status(each) for each in recorder.children(recorder.run("search"))}
    assert ends == {"trial a": "FAILED", "trial b": "KILLED", "trial c": "FINISHED", "trial d": "FAILED"}
    assert recorder.tags(recorder.run("trial a")) == {
        "fitscribe.error": "ValueError: too hot",
        "fitscribe.trial_id": "a",
        "number": "0",
    }
    assert "fitscribe.error" not in recorder.tags(recorder.run("trial b"))
    assert recorder.tags(recorder.run("trial d"))["fitscribe.error"] == "ValueError: again"


def test_of_two_objectives_the_front_is_the_best(run, recorder):
    with run.search(["loss", "size"], ["minimize", "maximize"]) as search:
        for key, values in enumerate([(3, 1), (2, 1), (4, 9), (5, 2)]):
            tried(search, key, values)
    parent = recorder.run("search")
    assert recorder.tags(parent)["fitscribe.best_trial"] == "1, 2"
    marked = [recorder.tags(each).get("fitscribe.best") for each in recorder.children(parent)]
    assert marked == [None, "true", "true", None]
    assert "best_loss" not in recorder.metrics(parent)
    assert recorder.params(parent) == {}


def test_one_name_for_several_objectives_is_numbered(run, recorder):
    with run.search("value", ["minimize", "minimize"]) as search:
        tried(search, 0, [1, 2])
    assert recorder.metrics(recorder.run("trial 0")) == {"value_0": 1.0, "value_1": 2.0}


def test_no_number_a_failed_trial_and_one_that_breaks_a_constraint_are_never_the_best(run, recorder):
    with run.search("loss") as search:
        tried(search, 0, float("nan"))
        search.trial(1)
        search.done(1, -5.0, status="KILLED")
        search.trial(2)
        search.done(2, -4.0, feasible=False)
        tried(search, 3, "no number")
        assert not search.best
        tried(search, 4, 2)
        tried(search, 5, 2)
    assert recorder.tags(recorder.run("search"))["fitscribe.best_trial"] == "4", "of equals, the first"


def test_a_key_that_has_ended_begins_another_trial(run, recorder):
    with run.search() as search:
        first = search.trial("again", {"x": 1})
        assert search.trial("again", {"x": 1, "y": 2}) is first
        search.done("again", status="FAILED")
        assert search.trial("again") is not first
        search.done("again", 1.0)
    assert [recorder.status(each) for each in recorder.children(recorder.run("search"))] == ["FAILED", "FINISHED"]
    assert recorder.params(recorder.children(recorder.run("search"))[0]) == {"x": "1", "y": "2"}


def test_what_was_asked_and_told_elsewhere_is_one_trial_with_its_own_times(run, recorder):
    with run.search() as search:
        search.trial("then", at=1_000)
        search.done("then", 1.0, at=3_500)
        search.done("told alone", 2.0)
    assert recorder.run("trial then").at == 1_000
    assert table(recorder)[0]["seconds"] == "2.5"
    assert recorder.status(recorder.run("trial told alone")) == "FINISHED"


def test_eight_threads_search_at_once(run, recorder):
    search = run.search("loss", total=400)

    def work(first):
        for key in range(first, 400, 8):
            with search.running(key) as child:
                child.log_metrics({"seen": key})
            search.done(key, float(abs(key - 100)))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    search.close()
    parent = recorder.run("search")
    assert recorder.tags(parent)["fitscribe.progress"] == "400/400"
    assert recorder.tags(parent)["fitscribe.best_trial"] == "100"
    assert {row["number"] for row in table(recorder)} == {str(number) for number in range(400)}
    for child in recorder.children(parent):
        assert recorder.status(child) == "FINISHED"


def test_a_direction_that_is_none_costs_the_best_and_nothing_else(run, recorder, caplog):
    with run.search("loss", "upwards") as search:
        tried(search, 0, 1.0)
    assert "its direction is 'upwards', not `minimize` or `maximize`" in caplog.text
    assert "fitscribe.best_trial" not in recorder.tags(recorder.run("search"))
    assert len(table(recorder)) == 1


def test_a_status_that_is_none_is_taken_for_failed(run, recorder, caplog):
    with run.search() as search:
        search.trial(0)
        search.done(0, 1.0, status="COMPLETE")
    assert "'COMPLETE' is taken for FAILED" in caplog.text
    assert recorder.status(recorder.run("trial 0")) == "FAILED"


@pytest.mark.swallows
def test_a_key_that_cannot_be_one_costs_that_trial_alone(run, recorder):
    with run.search() as search:
        search.trial(["no", "key"]).log_metrics({"lost": 1})
        search.done(["no", "key"], 1.0)
        tried(search, "key", 1.0)
    assert [each.name for each in recorder.children(recorder.run("search"))] == ["trial key"]


def test_a_search_without_a_trial_says_nothing(run, recorder):
    said = len(recorder.said)
    with run.search():
        pass
    assert len(recorder.said) == said


def test_what_comes_after_the_end_of_a_search_is_for_nobody(run, recorder):
    with run.search() as search:
        search.trial("left")
    search.done("left", 1.0, tags={"late": "yes"})
    search.trial("late").log_metrics({"x": 1})
    search.done("late", 1.0)
    (child,) = recorder.children(recorder.run("search"))
    assert recorder.status(child) == "KILLED"
    assert recorder.tags(child) == {"fitscribe.trial_id": "left", "late": "yes"}


def test_the_message_of_a_failed_trial_is_kept_and_its_last_line_is_a_tag(run, recorder):
    with run.search() as search:
        search.done("a", status="FAILED", message="Traceback:\n  here\nValueError: too hot\n")
        search.done("b", status="FAILED", message="the score is nan")
        search.done("c", 1.0, message="all is well")
    found = recorder.children(recorder.run("search"))
    told = [recorder.tags(each).get("fitscribe.error") for each in found]
    assert told == ["ValueError: too hot", "the score is nan", None]
    assert [list(recorder.artifacts(each)) for each in found] == [["traceback.txt"], [], []]
