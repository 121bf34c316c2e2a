"""What an author can say of a run: figures, tables, dicts and data; nothing of it ever fails the training."""

from __future__ import annotations

import json
import logging

import pytest

from fitscribe.records import DatasetUsed
from fitscribe.run import Run


@pytest.fixture
def run(recorder):
    made = Run.start("r")
    yield made
    made.end()


def warnings(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


class Figure:
    """What a figure of matplotlib's is to us: it saves itself."""

    def __init__(self, content):
        self.content = content

    def savefig(self, out, format, **save):
        out.write(f"{self.content} as {format} {save}".encode())


def test_a_figure_is_recorded_as_it_is_at_the_call(run, recorder):
    figure = Figure("loss")
    run.log_figure(figure, "plots/loss.svg")
    figure.content = "changed afterwards"
    run.log_figure(Figure("sharp"), "sharp.png", save={"dpi": 300})
    assert recorder.artifacts(recorder.run()) == {
        "plots/loss.svg": b"loss as svg {}",
        "sharp.png": b"sharp as png {'dpi': 300}",
    }


def test_a_table_grows_with_each_call(run, recorder):
    run.log_table({"round": [1], "loss": [0.5]}, "rounds.json")
    run.log_table({"round": [2], "best": [True]}, "rounds.json")
    found = json.loads(recorder.artifacts(recorder.run())["rounds.json"])
    assert found == {"columns": ["round", "loss", "best"], "data": [[1, 0.5, None], [2, None, True]]}


def test_a_dict_is_recorded_as_json_or_yaml(run, recorder):
    run.log_dict({"depth": 3, ("odd", 1): object}, "config.json")
    run.log_dict({"depth": 3}, "config.yaml")
    found = recorder.artifacts(recorder.run())
    assert json.loads(found["config.json"]) == {"depth": 3, "('odd', 1)": "<class 'object'>"}
    assert found["config.yaml"] == b"depth: 3\n"


def test_what_cannot_be_recorded_is_left_out_with_one_warning(run, recorder, caplog):
    for _ in range(3):
        run.log_figure("no figure", "f.png")
        run.log_table({"a": [1], "b": [1, 2]}, "t.json")
        run.log_dict({}, "../outside.json")
        run.log_dict({}, "")
    assert recorder.artifacts(recorder.run()) == {}
    said = warnings(caplog)
    assert len(said) == 4, said
    assert "'f.png' is left out of the run: log_figure takes a matplotlib or plotly figure, not str" in said
    assert any("'../outside.json' is left out" in each for each in said)


@pytest.mark.swallows
def test_a_figure_that_cannot_draw_itself_leaves_the_training_alone(run, recorder, caplog):
    class Broken:
        def savefig(self, *_, **__):
            raise ZeroDivisionError("no axes")

    run.log_figure(Broken(), "f.png")
    run.log_metrics({"after": 1})
    assert recorder.artifacts(recorder.run()) == {}
    assert recorder.metrics(recorder.run()) == {"after": 1.0}
    assert "logging a figure failed; your training goes on without it" in caplog.text


def test_an_iterator_is_never_touched(run, recorder):
    rows = iter([[1], [2]])
    assert run.log_data(rows, (each for each in "ab")) == ""
    assert list(rows) == [[1], [2]]
    assert recorder.tags(recorder.run())["fitscribe.dataset"] == "left out: list_iterator, which is used up by a look"


def test_what_is_no_table_is_said_to_be_left_out(run, recorder):
    assert run.log_data(object()) == ""
    assert run.log_data(None) == ""
    assert recorder.tags(recorder.run())["fitscribe.dataset"] == "left out: object"
    assert not [each for each in recorder.said if isinstance(each, DatasetUsed)]


def test_on_another_rank_no_word_does_any_work(recorder, monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    run = Run.start("r")

    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"{name} was asked for")

    run.log_figure(Untouchable(), "f.png")
    run.log_table(Untouchable(), "t.json")
    run.log_dict(Untouchable(), "d.json")
    run.log_data(Untouchable())
    run.end()
    assert recorder.said == []
