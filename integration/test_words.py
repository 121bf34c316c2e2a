"""What integrations say of a run, with the libraries that figures, tables and data come from."""

from __future__ import annotations

import json

import numpy
import pandas
import polars
import pytest
import scipy.sparse

from fitscribe.records import DatasetUsed
from fitscribe.run import Run
from fitscribe.testing.recorder import Recorder


@pytest.fixture
def recorder():
    with Recorder() as found:
        yield found


@pytest.fixture
def run(recorder):
    made = Run.start("r")
    yield made
    made.end()


def datasets(recorder):
    return [each for each in recorder.said if isinstance(each, DatasetUsed)]


def test_a_figure_of_matplotlib_is_drawn_at_the_call_and_no_state_of_pyplot_changes(run, recorder):
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    before = pyplot.get_fignums()
    figure = Figure()
    line = figure.add_subplot().plot([1, 2, 3])[0]
    for path in ("a.png", "b.svg", "c.pdf"):
        run.log_figure(figure, path)
    line.set_ydata([9, 9, 9])
    found = recorder.artifacts(recorder.run())
    assert [found[path][:4] for path in ("a.png", "b.svg", "c.pdf")] == [b"\x89PNG", b"<?xm", b"%PDF"]
    assert pyplot.get_fignums() == before


def test_a_table_of_pandas_and_one_of_polars_are_tables(run, recorder):
    run.log_table(pandas.DataFrame({"a": [1, 2], "when": pandas.Timestamp("2026-01-01")}), "t.json")
    run.log_table(polars.DataFrame({"a": [3]}), "t.json")
    found = json.loads(recorder.artifacts(recorder.run())["t.json"])
    assert found["columns"] == ["a", "when"]
    assert [row[0] for row in found["data"]] == [1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [
        numpy.arange(6.0).reshape(3, 2),
        pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}),
        polars.DataFrame({"a": [1, 2, 3]}),
        scipy.sparse.eye(3, format="csr"),
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    ],
    ids=["array", "pandas", "polars", "sparse", "list"],
)
def test_data_is_told_by_digest_schema_and_profile_and_stays_as_it_is(run, recorder, data):
    y = numpy.array([0, 1, 0])
    digest = run.log_data(data, y)
    assert digest
    assert run.log_data(data, y, context="eval", name="held out") == digest
    assert run.log_data(data, 1 - y) != digest, "the targets are part of it"
    first, second, _ = datasets(recorder)
    assert (first.context, first.name, first.digest) == ("train", "dataset", digest)
    assert (second.context, second.name) == ("eval", "held out")
    assert json.loads(first.schema)
    assert json.loads(first.profile)


def test_a_lazy_frame_is_not_collected_and_a_wide_one_has_no_schema(run, recorder):
    assert run.log_data(polars.LazyFrame({"a": [1]})) == ""
    assert "LazyFrame" in recorder.tags(recorder.run())["fitscribe.dataset"]
    run.log_data(pandas.DataFrame(numpy.zeros((2, 2500))))
    assert recorder.tags(recorder.run())["fitscribe.schema"] == "left out: 2500 columns"
    assert datasets(recorder)[0].schema == ""
