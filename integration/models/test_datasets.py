"""Records of datasets, beside MLflow's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from fitscribe.models.datasets import describe

random = np.random.default_rng(1)
X = random.normal(size=(300, 4))
Y = random.integers(0, 2, 300)


def digest(*tables):
    return describe(*tables)["digest"]


@pytest.mark.parametrize("targets", [Y, None], ids=["with y", "without y"])
@pytest.mark.parametrize("kind", ["pandas", "numpy", "named"])
def test_schema_and_profile_are_mlflows(ask_mlflow, kind, targets):
    features = {"pandas": pd.DataFrame(X).assign(s="a"), "numpy": X, "named": {"a": X, "b": X[:, 0]}}[kind]
    ours = describe(features, targets)
    (theirs,) = ask_mlflow([("dataset", (kind, features, targets), {})])
    assert ours["schema"] == theirs["schema"]
    assert json.loads(ours["profile"]).items() >= json.loads(theirs["profile"]).items()
    assert len(ours["digest"]) == len(theirs["digest"]) == 8


TABLES = {
    "numpy": X,
    "wide": random.normal(size=(500, 300)),
    "long": random.normal(size=(200_000, 3)),
    "frame": pd.DataFrame(X, columns=list("abcd")),
    "mixed": pd.DataFrame(X).assign(s=["a", "b"] * 150, t=pd.Timestamp("2024"), c=pd.Categorical(["u", "v"] * 150)),
    "objects": np.array([["a", 1]] * 50, dtype=object),
    "sparse": scipy.sparse.random(300, 50, 0.1, format="csr", random_state=0),
    "polars": pl.DataFrame({"a": X[:, 0], "s": ["a", "b"] * 150}),
    "list": X.tolist(),
    "texts": ["a text", "another"] * 20,
    "images": random.integers(0, 255, (40, 16, 16, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", TABLES)
def test_digest_is_the_same_for_a_copy_and_with_y_another(name):
    table = TABLES[name]
    copy = list(table) if isinstance(table, list) else table.clone() if name == "polars" else table.copy()
    assert digest(table) == digest(copy) != digest(table, Y)


@pytest.mark.parametrize("column", range(8))
def test_digest_sees_a_change_in_every_column(column):
    frame = TABLES["mixed"].assign(n=pd.array([1, None] * 150, "Int64"))
    changed = frame.copy()
    name = frame.columns[column]
    changed[name] = frame[name].to_numpy()[::-1] if column != 5 else pd.Timestamp("2025")
    assert digest(frame) != digest(changed)


def test_digest_sees_a_column_beyond_the_first_ten_thousand_elements():
    wide = TABLES["wide"]
    changed = wide.copy()
    changed[:, 299] += 1
    assert digest(wide) != digest(changed)


def test_digest_sees_y_and_the_last_row():
    long = TABLES["long"]
    changed = long.copy()
    changed[-1, 1] += 1
    assert digest(long) != digest(changed)
    y = np.zeros(200_000)
    other = y.copy()
    other[-1] = 1
    assert digest(long, y) != digest(long, other)


def test_digest_knows_names_types_and_shapes_apart():
    frame = TABLES["frame"]
    different = [X, X.T, X.astype("float32"), frame, frame.rename(columns={"a": "z"}), X.tolist(), frame.iloc[:-1]]
    assert len({digest(table) for table in different}) == len(different)


def test_digest_is_blind_to_layout_and_index():
    assert digest(X) == digest(np.asfortranarray(X))
    assert digest(TABLES["frame"]) == digest(TABLES["frame"].set_axis(range(300, 0, -1)))


def test_digest_is_the_same_in_another_process():
    code = (
        "import numpy as np, pandas as pd; from fitscribe.models.datasets import describe\n"
        "print(describe(pd.DataFrame({'a': np.arange(5.0), 's': list('abcde')}), [object] * 5)['digest'])"
    )
    run = [sys.executable, "-c", code]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    assert len(first.strip()) == 8


def test_sparse_matrix_is_neither_made_dense_nor_copied():
    matrix = scipy.sparse.random(5000, 40_000, 1e-3, format="csr", random_state=0)
    tracemalloc.start()
    made = describe(matrix, np.zeros(5000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # dense: 1.6 GB
    assert json.loads(made["profile"]) == {
        "features_shape": [5000, 40_000],
        "features_size": 200_000_000,
        "features_nbytes": matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes,
        "targets_shape": [5000],
        "targets_size": 5000,
        "targets_nbytes": 40_000,
        "stored_values": matrix.nnz,
        "target": {"classes": {"0.0": 5000}},
    }
    tensor = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, %s]}}]'
    assert json.loads(made["schema"])["mlflow_tensorspec"]["features"] == tensor % 40_000


@pytest.mark.parametrize("format_", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_every_sparse_format_has_a_record(format_):
    assert set(describe(scipy.sparse.eye(50, format=format_))) == {"digest", "schema", "profile"}


def test_large_frame_takes_no_time_and_no_memory():
    frame = pd.DataFrame(np.ones((400_000, 60)))
    tracemalloc.start()
    began = time.perf_counter()
    made = describe(frame, frame[0])
    seconds = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    profile = json.loads(made["profile"])
    assert (profile["num_rows"], profile["num_elements"]) == (400_000, 24_000_000)
    assert 1000 < profile["counted_rows"] < 10_000
    assert 1000 < profile["digest_rows"] < 10_000
    assert seconds < 0.5
    assert peak < 20_000_000  # the frame itself: 192 MB


def test_lists_are_measured_by_a_sample():
    made = describe([[1, 2.5]] * 3000, [1] * 3000)
    assert json.loads(made["profile"]) == {
        "features_shape": [3000, 2],
        "features_size": 6000,
        "features_nbytes": 48_000,
        "targets_shape": [3000],
        "targets_size": 3000,
        "targets_nbytes": 24_000,
        "target": {"classes": {"1": 3000}},
    }


def test_iterator_is_not_consumed():
    numbers = iter([1, 2])
    assert describe(numbers) is None
    assert list(numbers) == [1, 2]


@pytest.mark.parametrize("table", [None, "text", object(), {"a": 1}, [], [[1], [1, 2]], np.float64(1), [None]])
def test_what_is_no_table_has_no_record(table):
    assert describe(table) is None


@pytest.mark.parametrize(
    "table", [np.empty((0, 3)), np.empty(0), pd.DataFrame(), pd.DataFrame({"a": []}), pl.DataFrame(), np.empty((3, 0))]
)
def test_empty_table_has_a_record(table):
    assert set(describe(table)) == {"digest", "schema", "profile"}


def test_schema_that_no_server_takes_is_left_out():
    wide = pd.DataFrame(np.ones((2, 20_000)), columns=[f"a rather long name of a column {at}" for at in range(20_000)])
    made = describe(wide)
    assert made["schema"] == ""
    assert json.loads(made["profile"])["num_elements"] == 40_000


def profile(*tables):
    return json.loads(describe(*tables)["profile"])


def test_missing_values_are_counted_by_column():
    frame = pd.DataFrame({"a": [1.0, None, np.inf], "b": [None, "x", None], "c": [1, 2, 3]})
    frame["n"] = pd.array([1, None, 3], "Int64")
    frame["t"] = pd.to_datetime(["2024-01-01", None, "2024-01-03"]).tz_localize("Europe/Berlin")
    frame["k"] = pd.Categorical(["u", None, "u"])
    assert profile(frame)["missing"] == {"a": 1, "b": 2, "n": 1, "t": 1, "k": 1}
    assert profile(frame)["dtypes"]["float64"] == 1
    array = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert (profile(array)["missing"], profile(array)["infinite"]) == ({"1": 1}, {"0": 1})
    assert profile(np.array([[None, "a"]], dtype=object))["missing"] == {"0": 1}
    assert profile(np.ma.masked_array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]))["missing"] == {"1": 1}
    assert profile(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))["missing"] == {"a": 1}
    assert profile(scipy.sparse.csr_matrix([[np.nan, 0.0]]))["missing_values"] == 1


def test_a_large_table_is_counted_in_a_sample_and_says_so():
    frame = pd.DataFrame(np.ones((100_000, 20)))
    frame.iloc[::2, 3] = np.nan
    found = profile(frame)
    assert list(found["missing"]) == ["3"]
    assert found["missing"]["3"] <= found["counted_rows"] < 100_000


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (np.array([0, 1, 1]), {"classes": {"0": 1, "1": 2}}),
        (np.array([True, False, True]), {"classes": {"False": 1, "True": 2}}),
        (np.array(["no", "yes", "no"]), {"classes": {"no": 2, "yes": 1}}),
        (["no", "yes", "no"], {"classes": {"no": 2, "yes": 1}}),
        (pd.Series(["no", None, "no"]), {"classes": {"no": 2}, "missing": 1}),
        (pd.Series(pd.Categorical(["a", None, "b"])), {"classes": {"a": 1, "b": 1}, "missing": 1}),
        (pl.Series(["a", "b", "b"]), {"classes": {"a": 1, "b": 2}}),
        (np.array([0.0, 1.0, np.nan]), {"classes": {"0.0": 1, "1.0": 1}, "missing": 1}),
        (pd.Series([{"un": "hashable"}, [1], None]), {"classes": {"{'un': 'hashable'}": 1, "[1]": 1}, "missing": 1}),
        (np.array([[0, 5], [1, 5], [1, 5]]), [{"classes": {"0": 1, "1": 2}}, {"classes": {"5": 3}}]),
    ],
)
def test_the_balance_of_a_targets_classes_is_told(target, expected):
    assert profile(X[:3], target)["target"] == expected


def test_the_range_and_quantiles_of_a_regression_target_are_told():
    found = profile(X, X[:, 0])["target"]
    assert (found["min"], found["max"]) == (X[:, 0].min(), X[:, 0].max())
    assert found["quantiles"]["0.5"] == np.median(X[:, 0])


def test_of_many_classes_the_largest_are_counted():
    found = profile(np.zeros((500, 1)), np.repeat(np.arange(100), 5))["target"]
    assert len(found["classes"]) == 30
    assert (found["other_classes"], found["other_rows"]) == (70, 350)


def test_arrow_tables_have_a_record():
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": [1.0, None, 3.0] * 20_000, "s": ["x", "y", "z"] * 20_000})
    made = describe(table, table.column("s"))
    assert json.loads(made["schema"]) == {
        "mlflow_colspec": [
            {"type": "double", "name": "a", "required": False},
            {"type": "string", "name": "s", "required": True},
        ]
    }
    found = json.loads(made["profile"])
    assert (found["num_rows"], found["missing"]) == (60_000, {"a": 20_000})
    copy = arrow.table(table.to_pydict())
    assert digest(copy) == digest(table) != digest(table.slice(0, 59_999))
    changed = arrow.table({**table.to_pydict(), "s": ["x", "y", "w"] * 20_000})
    assert digest(changed) != digest(table)


def test_a_lazy_frame_is_never_collected():
    def collected(frame):
        raise AssertionError("somebody collected it")

    lazy = pl.LazyFrame({"a": [1, 2]}).map_batches(collected)
    assert describe(lazy) is None


def test_an_array_in_a_file_is_read_in_few_places(tmp_path):
    np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype="float64", shape=(300_000, 20)).flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for view in (mapped, mapped[5:, :3], np.asarray(mapped)):
        assert profile(view)["digest_rows"] == profile(view)["counted_rows"] == 50


def test_a_hundred_thousand_columns_are_described_at_once():
    wide = pd.DataFrame(np.ones((20, 100_000)))
    wide.columns = [f"c{at}" for at in range(100_000)]
    began = time.process_time()
    made = describe(wide)
    assert time.process_time() - began < 1
    assert made["schema"] == ""
    assert json.loads(made["profile"])["num_elements"] == 2_000_000


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame([[1.0, 2.0], [None, 4.0]], columns=["same", "same"]),
        pd.DataFrame({"a": [{1: 2}, [3], {4}]}),
        pd.DataFrame({"a": pd.to_datetime(["2024-01-01", None]).tz_localize("UTC")}),
        pd.DataFrame({"p": pd.period_range("2024", periods=2)}),
        pd.DataFrame({("a", 1): [1], ("b", 2): [2]}),
        pd.DataFrame({"s": pd.arrays.SparseArray([0.0, 1.0])}),
        pd.DataFrame({"i": pd.interval_range(0, 2)}),
        np.array([[1 + 2j]]),
        np.array([[np.datetime64("NaT")]]),
        np.zeros((3, 2), dtype="i4,f8"),
        np.zeros((4, 3, 2, 2)),
        np.array(5.0),
    ],
    ids=str,
)  # fmt: skip
def test_odd_tables_have_a_record(table):
    for target in (None, table):
        assert set(describe(table, target)) == {"digest", "schema", "profile"}
        json.loads(describe(table, target)["profile"])
