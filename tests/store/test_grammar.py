"""The grammar of filters and orderings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitscribe.errors import FilterError
from fitscribe.store.grammar import Comparison, Ordering, parse_filter, parse_ordering
from fitscribe.store.vocabulary import EXPERIMENTS, RUNS

GOOD = [
    ("", []),
    ("metrics.acc > 0.85", [("metric", "acc", ">", 0.85)]),
    ("metrics.acc > 0.85 AND params.lr = '0.1'", [("metric", "acc", ">", 0.85), ("param", "lr", "=", "0.1")]),
    ("metrics.a=1 and metrics.b!=2 And metrics.c<=3 aNd metrics.d >=4", [
        ("metric", "a", "=", 1), ("metric", "b", "!=", 2), ("metric", "c", "<=", 3), ("metric", "d", ">=", 4),
    ]),
    ("metrics.a < -1", [("metric", "a", "<", -1)]),
    ("metrics.a < 1e-3", [("metric", "a", "<", 0.001)]),
    ("metrics.a < -.5E+2", [("metric", "a", "<", -50.0)]),
    ("metrics.a < 123456789012345678901234567890", [("metric", "a", "<", 1.2345678901234568e29)]),
    ("metrics.`val/f1` = 0.5", [("metric", "val/f1", "=", 0.5)]),
    ('metrics."val f1" = 0.5', [("metric", "val f1", "=", 0.5)]),
    ("tags.\"has space\" = '1'", [("tag", "has space", "=", "1")]),
    ("tags.mlflow.parentRunId = 'x'", [("tag", "mlflow.parentRunId", "=", "x")]),
    ("tag.`mlflow.prompt.is_prompt` != 'true'", [("tag", "mlflow.prompt.is_prompt", "!=", "true")]),
    ("`tags`.`a` = 'x'", [("tag", "a", "=", "x")]),
    ("params.lr IS NULL", [("param", "lr", "IS NULL", None)]),
    ("params.lr is not null", [("param", "lr", "IS NOT NULL", None)]),
    ("params.lr LIKE '0.%'", [("param", "lr", "LIKE", "0.%")]),
    ("params.lr iLike '0.%'", [("param", "lr", "ILIKE", "0.%")]),
    ("params.lr IN ('1', \"2\")", [("param", "lr", "IN", ("1", "2"))]),
    ("tags.a not  in('x')", [("tag", "a", "NOT IN", ("x",))]),
    ("run_id IN ('a',)", [("attribute", "run_id", "IN", ("a",))]),
    ("status NOT IN ('FAILED')", [("attribute", "status", "NOT IN", ("FAILED",))]),
    ("attributes.run_name ILIKE 'ALPHA'", [("attribute", "run_name", "ILIKE", "ALPHA")]),
    ("attributes.`run name` = 'x'", [("attribute", "run_name", "=", "x")]),
    ("created > 1700000000000", [("attribute", "start_time", ">", 1700000000000)]),
    ("end_time <= 1.7e12", [("attribute", "end_time", "<=", 1.7e12)]),
    ("user_id = 'ann' AND artifact_uri LIKE '%/x'", [
        ("attribute", "user_id", "=", "ann"), ("attribute", "artifact_uri", "LIKE", "%/x"),
    ]),
    ("dataset.context = 'train'", [("dataset", "context", "=", "train")]),
    ("datasets.name IN ('a') AND dataset.digest LIKE 'b%'", [
        ("dataset", "name", "IN", ("a",)), ("dataset", "digest", "LIKE", "b%"),
    ]),
    ("params.x = \"it's\"", [("param", "x", "=", "it's")]),
    ("params.x = ''", [("param", "x", "=", "")]),
    ("  params.x='1'  AND  ", [("param", "x", "=", "1")]),
    ("params.and = 'and'", [("param", "and", "=", "and")]),
]  # fmt: skip

SPELLINGS = {
    "metric": ("metric", "metrics"),
    "param": ("param", "params", "parameter", "parameters"),
    "tag": ("tag", "tags"),
}

BAD = [
    ("   ", "it is blank", 0),
    ("metrics.val/f1 = 0.5", "expected one of =, !=, <, <=, >, >= (quote a key with `backticks`), found '/f1'", 11),
    ("metrics.a > 1 OR metrics.b > 2", "there is no OR", 14),
    ("NOT metrics.a > 1", "there is no attribute 'NOT'", 0),
    ("metrics.a BETWEEN 1 AND 2", "expected one of =, !=, <, <=, >, >=", 10),
    ("(metrics.a > 1)", "there are no parentheses around comparisons", 0),
    ("metrics.a > 1; metrics.b > 2", "expected AND or the end, found ';'", 13),
    ("metrics.a > 1 metrics.b > 2", "expected AND or the end, found 'metrics.b'", 14),
    ("metrics.a > '1'", "expected a number without quotes, found \"'1'\"", 12),
    ("metrics.a > nan", "expected a number without quotes, found 'nan'", 12),
    ("metrics.a > 1abc", "expected a number without quotes", 12),
    ("metrics.a > ", "expected a number without quotes, found the end", 12),
    ("metrics.a LIKE 'x'", "metric 'a' cannot be compared with LIKE; use one of =, !=, <, <=, >, >=", 10),
    ("metrics.a IS NULL", "metric 'a' cannot be compared with IS NULL", 10),
    ("params.a = 1", "expected a text in quotes, found '1'", 11),
    ("params.a = `x`", "expected a text in quotes", 11),
    ("params.a > 'x'", "param 'a' cannot be compared with >", 9),
    ("params.a == 'x'", "expected a text in quotes, found '='", 10),
    ("params.a = 'x", "expected a single quote that closes the one here", 11),
    ("params.`a = 'x'", "expected a backtick that closes the one here", 7),
    ("params. = 'x'", "expected a key after the dot", 8),
    ("params.`` = 'x'", "expected a key after the dot", 7),
    ("params.a", "expected one of", 8),
    ("params.a NOT LIKE 'x'", "expected one of", 9),
    ("params.a IS 'x'", "expected one of", 9),
    ("start_time = '5'", "expected a number without quotes", 13),
    ("start_time LIKE 5", "attribute 'start_time' cannot be compared with LIKE", 11),
    ("status IS NULL", "attribute 'status' cannot be compared with IS NULL", 7),
    ("run_id IN ()", "expected a text in quotes, found ')'", 11),
    ("run_id IN 'a'", "expected a list such as ('a', 'b')", 10),
    ("run_id IN ('a' 'b')", "expected a comma or the closing parenthesis", 15),
    ("run_id IN ('a'", "expected a comma or the closing parenthesis, found the end", 14),
    ("lifecycle_stage = 'active'", "there is no attribute 'lifecycle_stage'", 0),
    ("attributes.experiment_id = '1'", "there is no attribute 'experiment_id'", 11),
    ("dataset.profile = 'x'", "there is no dataset 'profile'; use one of name, digest, context", 8),
    ("foo.bar = 'x'", "expected one of metrics, params, tags, attributes, datasets before the dot", 0),
    ("Metrics.a > 1", "expected one of metrics, params", 0),
    ("AND params.a = 'x'", "there is no attribute 'AND'", 0),
    ("params.a = 'x' AND AND params.b = 'y'", "there is no attribute 'AND'", 19),
    ("'x' = params.a", "expected the name of a field", 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), GOOD)
def test_a_good_filter_is_understood(text, found):
    assert parse_filter(text, RUNS) == [Comparison(*each) for each in found]


@pytest.mark.parametrize(
    ("entity", "spelling"), [(entity, each) for entity, all_ in SPELLINGS.items() for each in all_]
)
def test_entities_have_several_spellings(entity, spelling):
    found = parse_filter(f"{spelling}.a {'= 1' if entity == 'metric' else chr(61) + ' ' + repr('1')}", RUNS)
    assert found == [Comparison(entity, "a", "=", 1 if entity == "metric" else "1")]


@pytest.mark.parametrize(("text", "message", "place"), BAD)
def test_a_bad_filter_is_repeated_with_a_caret_at_the_place(text, message, place):
    with pytest.raises(FilterError) as raised:
        parse_filter(text, RUNS)
    words, shown, caret = str(raised.value).split("\n")
    assert words.startswith(f"Invalid filter: {message}")
    assert shown == f"  {text}"
    assert caret == f"  {' ' * place}^"


def test_of_a_long_filter_the_part_around_the_place_is_shown():
    text = "params.a = '1' AND " * 50 + "params.b ~ 'x' AND" + " params.c = '1' AND" * 50
    with pytest.raises(FilterError) as raised:
        parse_filter(text, RUNS)
    _, shown, caret = str(raised.value).split("\n")
    assert shown[caret.index("^")] == "~"
    assert len(shown) < 130


def test_a_filter_of_several_lines_is_shown_in_one():
    with pytest.raises(FilterError) as raised:
        parse_filter("params.a = '1'\n\tAND params.b ~ 'x'", RUNS)
    assert str(raised.value).split("\n")[1:] == ["  params.a = '1'  AND params.b ~ 'x'", f"  {' ' * 29}^"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params.a = '1' AND " * 201, "more than 200 comparisons"),
        (f"params.a IN ({', '.join(['1'.join(chr(39) * 2)] * 10_001)})", "more than 10000 values"),
        ("x" * 100_001, "longer than 100000 characters"),
    ],
)
def test_a_filter_that_no_database_would_take_is_refused(text, message):
    with pytest.raises(FilterError, match=message):
        parse_filter(text, RUNS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name = 'x'", ("attribute", "name", "=", "x")),
        ("attribute.experiment_id IN ('1', '2')", ("attribute", "experiment_id", "IN", ("1", "2"))),
        ("creation_time >= 17", ("attribute", "creation_time", ">=", 17)),
        ("tags.`a b` IS NULL", ("tag", "a b", "IS NULL", None)),
    ],
)
def test_experiments_have_words_of_their_own(text, found):
    assert parse_filter(text, EXPERIMENTS) == [Comparison(*found)]


@pytest.mark.parametrize("text", ["metrics.a > 1", "status = 'x'", "last_update_time > 1.5", "creation_time > '1'"])
def test_experiments_know_nothing_of_runs(text):
    with pytest.raises(FilterError, match="Invalid filter"):
        parse_filter(text, EXPERIMENTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("metrics.acc", ("metric", "acc", False)),
        ("metrics.acc ASC", ("metric", "acc", False)),
        ("metric.`val/f1` desc", ("metric", "val/f1", True)),
        ('params."a b" DESC ', ("param", "a b", True)),
        ("tags.desc", ("tag", "desc", False)),
        ("attributes.start_time DESC", ("attribute", "start_time", True)),
        ("created", ("attribute", "start_time", False)),
        ("artifact_uri", ("attribute", "artifact_uri", False)),
    ],
)
def test_a_good_ordering_is_understood(text, found):
    assert parse_ordering(text, RUNS) == Ordering(*found)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "expected the name of a field", 0),
        ("metrics.acc DOWN", "expected ASC or DESC, found 'DOWN'", 12),
        ("metrics.acc DESC, x", "expected the end, found ','", 16),
        ("metrics.a/b", "expected ASC, DESC or the end (quote a key with `backticks`), found '/b'", 9),
        ("dataset.name", "results cannot be sorted by dataset 'name'; use one of metrics.<key>, params.<key>", 0),
        ("lifecycle_stage", "there is no attribute 'lifecycle_stage'", 0),
    ],
)  # fmt: skip
def test_a_bad_ordering_is_repeated_with_a_caret_at_the_place(text, message, place):
    with pytest.raises(FilterError) as raised:
        parse_ordering(text, RUNS)
    words, shown, caret = str(raised.value).split("\n")
    assert words.startswith(f"Invalid order_by: {message}")
    assert (shown, caret) == (f"  {text}", f"  {' ' * place}^")


WORDS = "metrics. params. tags. attributes. dataset. a b.c status run_id start_time LIKE IN NOT IS NULL AND and OR é"
SIGNS = "= != < >= ( ) , 1 -2.5e3 . ; ' ` `x/y` 'v'"
PIECES = st.sampled_from([*WORDS.split(), *SIGNS.split(), '"', '"z"', " ", "\n"])


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=12).map("".join)))
def test_whatever_is_written_is_understood_or_a_filter_error(text):
    for parse in (parse_filter, parse_ordering):
        for vocabulary in (RUNS, EXPERIMENTS):
            try:
                parse(text, vocabulary)
            except FilterError as error:
                assert "\n" in str(error)  # noqa: PT017


NO_BACKTICK = st.text(st.characters(exclude_characters="`"), min_size=1)


@given(
    entity=st.sampled_from(["params", "tags"]),
    key=NO_BACKTICK,
    value=st.text(st.characters(exclude_characters="'")),
    more=st.lists(st.text(st.characters(exclude_characters='"')), min_size=1, max_size=3),
)
def test_what_is_quoted_comes_out_as_it_went_in(entity, key, value, more):
    listed = ", ".join(f'"{each}"' for each in more)
    found = parse_filter(f"{entity}.`{key}` = '{value}' AND {entity}.`{key}` IN ({listed})", RUNS)
    assert [each[1:] for each in found] == [(key, "=", value), (key, "IN", tuple(more))]


@given(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_out_as_they_went_in(number):
    assert parse_filter(f"metrics.a = {number!r}", RUNS) == [Comparison("metric", "a", "=", number)]
