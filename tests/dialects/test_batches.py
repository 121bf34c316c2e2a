import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fitscribe.dialects.batches import Batch, Item, items, packed
from fitscribe.records import Metrics, Params, Tags

keys = st.text("abcé", min_size=1, max_size=3)


def sizes(batches: list[Batch]) -> list[dict[str, int]]:
    return [{kind: len(found) for kind, found in batch.body("r").items() if kind != "run_id"} for batch in batches]


def test_250_params_950_metrics_and_51_tags_keep_every_limit() -> None:
    records = [
        Params("r", 1, {f"p{i}": "v" for i in range(250)}),
        Metrics("r", 1, 0, {f"m{i}": 1.0 for i in range(950)}),
        Tags("r", 1, {f"t{i}": "v" for i in range(51)}),
    ]
    assert sizes(packed(items(records))) == [
        {"params": 100, "metrics": 849, "tags": 51},
        {"params": 100, "metrics": 101},
        {"params": 50},
    ]


def test_long_values_are_spread_over_bodies_below_a_megabyte() -> None:
    batches = packed(items([Params("r", 1, {f"p{i}": "\x00" * 6000 for i in range(60)})]))
    lengths = [len(msgspec.json.encode(batch.body("r" * 32))) for batch in batches]
    assert sum(len(batch.items) for batch in batches) == 60
    assert max(lengths) < 1_000_000
    assert len(batches) == 3


@given(
    st.lists(
        st.one_of(
            st.builds(Metrics, st.just("r"), st.integers(0, 3), st.integers(0, 3), st.dictionaries(keys, st.floats())),
            st.builds(Params, st.just("r"), st.integers(0, 3), st.dictionaries(keys, st.sampled_from("12"))),
            st.builds(Tags, st.just("r"), st.integers(0, 3), st.dictionaries(keys, st.sampled_from("12") | st.none())),
        )
    )
)
def test_nothing_is_lost_in_packing_and_no_batch_repeats_a_param(records: list[Metrics | Params | Tags]) -> None:
    told = list(items(records))
    batches = packed(told)
    sent = [item for batch in batches for item in batch.items]

    def points(of: list[Item]) -> list[tuple[str, str, int, int]]:
        return [(item.key, repr(item.value), item.at, item.step) for item in of if item.kind == "metrics"]

    assert points(sent) == points(told)
    assert {(i.key, i.value) for i in sent if i.kind == "params"} == {
        (i.key, i.value) for i in told if i.kind == "params"
    }
    assert {i.key: i.value for i in sent if i.kind == "tags"} == {i.key: i.value for i in told if i.kind == "tags"}
    for batch in batches:
        params = [item.key for item in batch.items if item.kind == "params"]
        assert len(params) == len(set(params))


@given(st.lists(st.tuples(st.sampled_from(["params", "metrics", "tags"]), keys), min_size=2, max_size=30))
def test_halves_are_smaller_and_together_the_whole(parts: list[tuple[str, str]]) -> None:
    batch = Batch([Item(kind, key, "1", at) for at, (kind, key) in enumerate(parts)])  # type: ignore[arg-type]
    first, second = batch.halves()
    assert first.items
    assert second.items
    assert sorted([*first.items, *second.items]) == sorted(batch.items)
