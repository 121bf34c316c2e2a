"""Whatever is logged becomes short stable text under legal keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitscribe import checks, values
from fitscribe.errors import MisuseError


class Nameless:
    def __str__(self):
        raise ValueError("no")


def test_text_has_no_memory_address_and_never_raises():
    assert values.text(lambda: 1) == "<function test_text_has_no_memory_address_and_never_raises.<locals>.<lambda>>"
    assert values.text(Nameless()) == "<Nameless>"
    assert values.text(None) == "None"
    assert values.text("") == ""


class Spoken(str):
    """A text of a kind of its own, as numpy's are: no record could be written down with it."""

    __slots__ = ()


def test_text_is_always_plain_text():
    assert type(values.text(Spoken("rbf"))) is str
    assert values.text(Spoken("rbf")) == "rbf"


def test_text_of_a_huge_container_shows_its_beginning_and_length():
    assert values.text(list(range(5000))).endswith("98, 99, ...] (5000 items)")
    assert values.text(b"x" * 5000).endswith("... (5000 bytes)")


class Table:
    """Shown in many lines, as a data frame is."""

    shape = (10, 10)
    shown = 0

    def __repr__(self):
        self.shown += 1
        return "0.1 " * 100


def test_a_param_of_many_tables_or_lists_of_lists_is_not_written_out_whole():
    tables = [Table() for _ in range(50)]
    assert values.text(tables).endswith(", ...] (50 items)")
    assert sum(table.shown for table in tables) < 20
    assert values.text({"a": tables}).endswith("(50 items)] (1 items)")
    rows = values.text([[0.5] * 900] * 900)
    assert rows.endswith("...] (900 items)")
    assert len(rows) < 10_000


def test_a_param_of_a_few_numbers_is_written_as_python_does():
    grid = {"C": [Scalar()] * 30, "hidden": [(100, 50), (20,)]}
    assert values.text(grid) == str(grid)


@pytest.mark.parametrize(
    ("key", "legal"),
    [
        ("mAP@50", "mAP_50"),
        ("f1(x)", "f1_x_"),
        ("a//b", "a/b"),
        ("../x", "x"),
        ("/x", "x"),
        ("précision", "précision"),
        ("val/acc top-5: x.y", "val/acc top-5: x.y"),
        ("", "_"),
        ("..", "_"),
        ("k" * 300, "k" * 247 + "..."),
        ("a\n", "a_"),
    ],
)
def test_keys_become_what_every_server_takes(key, legal):
    assert values.legal_key(key) == legal
    assert checks.key(legal, "metric") == legal


@given(st.text(max_size=400))
def test_every_legal_key_passes_the_direct_apis_check(key):
    assert checks.key(values.legal_key(key), "param")


class Scalar:
    shape = ()

    def __repr__(self):
        return "2.5"

    def item(self):
        return 2.5


class Vector(Scalar):
    shape = (3,)


@pytest.mark.parametrize(
    ("value", "found"),
    [(1, 1.0), (True, 1.0), (2.5, 2.5), (Scalar(), 2.5), (Vector(), None), ("1", None), (None, None), ([1], None)],
)
def test_numbers_are_what_counts_as_a_metric(value, found):
    assert values.number(value) == found


def test_nested_configs_become_flat_names():
    config = {"a": {"b": 1, "c": {}}, 3: [1]}
    assert dict(values.flat(config)) == {"a/b": 1, "a/c": {}, "3": [1]}
    assert list(values.unique(["a", "b", "a", "a"])) == ["a", "b", "a_2", "a_3"]


@pytest.mark.parametrize(
    ("check", "arguments", "words"),
    [
        (checks.key, ("k" * 300, "metric"), "has 300 characters; servers take at most 250"),
        (checks.key, ("mAP@50", "metric"), "holds '@', which no server takes.*'mAP_50' would do"),
        (checks.key, ("a\n", "metric"), r"holds '\\n'"),
        (checks.key, ("../x", "param"), "is no plain path"),
        (checks.key, ("", "tag"), "at least one character"),
        (checks.key, (3, "tag"), "not 3"),
        (checks.metric, ("loss", "high"), "given 'high' .str., which is no number"),
        (checks.metric, ("loss", None), "which is no number"),
        (checks.step, (1.5,), "a whole number, not 1.5"),
        (checks.step, (float("nan"),), "a whole number"),
        (checks.step, (2**63,), "does not fit into 64 bits"),
        (checks.moment, (-1,), "milliseconds since 1970, not -1"),
        (checks.mapping, ([1], "params"), "as a dict of names and values, not as list"),
        (checks.artifact_path, ("../up",), "no plain relative path"),
        (checks.artifact_path, ("a/../../up",), "no plain relative path"),
    ],
)
def test_misuse_is_refused_in_plain_words(check, arguments, words):
    with pytest.raises(MisuseError, match=words):
        check(*arguments)


def test_what_is_fine_passes():
    assert checks.step(2.0) == 2
    assert checks.step(None) == 0
    assert checks.step(-3) == -3
    assert checks.moment(1.7e12) == 1_700_000_000_000
    assert checks.artifact_path("plots\\a.png") == "plots/a.png"
    assert checks.artifact_path(None) == ""
