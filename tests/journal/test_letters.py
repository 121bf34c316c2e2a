"""Dead letters: what servers refused is shown in their words, and taken once they are mended."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from fitscribe.cli import main
from fitscribe.dialects import dialect_for
from fitscribe.records import Artifact, Drawing, Heatmap, Metrics, Params, RunEnded, RunStarted, Tags, new_id
from fitscribe.shipping.courier import Courier
from fitscribe.shipping.letters import AGAIN, NAME, letters
from fitscribe.shipping.resending import resend
from fitscribe.shipping.shipper import Shipper

RUN = new_id()


def sync(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["sync", *words], env={"COLUMNS": "200"})
    return done.exit_code, done.output


@pytest.fixture
def refused(shipper: Shipper, endpoint, journal: Path) -> Path:
    """A journal whose run was refused as a whole: its experiment is not there."""
    records = [
        RunStarted(RUN, 5, endpoint.uri, "poor", experiment_id="77"),
        Params(RUN, 6, {"a": "1"}),
        Metrics(RUN, 7, 0, {"bad": math.nan, "big": math.inf, "m": 0.5}),
        Tags(RUN, 8, {"t": "1"}),
        Artifact(RUN, 9, "notes.txt", shipper.snapshot(b"words", "notes.txt")),
        RunEnded(RUN, 10, "FINISHED"),
    ]
    for record in records:
        shipper.emit(record)
    assert shipper.flush(10)
    return journal


def test_they_are_shown_with_the_servers_own_words(refused):
    count = len(letters(refused))
    code, said = sync("--dead-letters")
    assert code == 0
    for words in ("params a = 1", "bad = nan", "big = inf", "artifact notes.txt", "no such experiment"):
        assert words in said
    assert f"{count} record(s) were refused by their server: `fitscribe sync --dead-letters`" in sync("--dry-run")[1]


def test_without_any_it_says_so(journal):
    assert sync("--dead-letters") == (0, f"no server has refused anything that was recorded in {journal}\n")
    assert sync("--again") == (0, f"no server has refused anything that was recorded in {journal}\n")


def test_they_arrive_once_the_server_is_mended_and_not_before(refused, endpoint):
    count = len(letters(refused))
    for _ in range(2):
        code, said = sync("--again")
        assert (code, said.splitlines()[0]) == (1, f"0 of {count} refused record(s) sent")
        assert len(letters(refused)) == count
    endpoint.ledger.experiments["77"] = "mended"
    assert sync("--again") == (0, f"{count} of {count} refused record(s) sent\n")
    run = endpoint.ledger.named("poor")
    assert (run.status, run.end_time, run.params, run.tags["t"]) == ("FINISHED", 10, {"a": "1"}, "1")
    assert {key: len(points) for key, points in run.points.items()} == {"bad": 1, "big": 1, "m": 1}
    assert [value for path, value in endpoint.ledger.artifacts.items() if path.endswith("notes.txt")] == [b"words"]
    assert letters(refused) == {}
    assert not list(refused.glob("dead*"))
    assert not (refused / "refused").exists()


def test_an_attempt_that_was_killed_goes_on_where_it_stopped(refused, endpoint):
    endpoint.ledger.experiments["77"] = "mended"
    count = len(letters(refused))
    (refused / NAME).rename(refused / AGAIN)  # as it is in the middle of an attempt
    assert resend(refused, Courier(dialect_for, refused, 0.1)) == (count, count)
    assert endpoint.ledger.named("poor").status == "FINISHED"


def test_what_cannot_be_sent_now_stays_a_dead_letter_with_its_first_words(refused, endpoint):
    endpoint.trouble("answer", times=1000)
    before = letters(refused)
    assert resend(refused, Courier(dialect_for, refused, 0.1)) == (len(before), 0)
    assert letters(refused) == before


def test_a_letter_that_came_twice_is_one_and_a_torn_or_strange_one_does_no_harm(refused, endpoint):
    count = len(letters(refused))
    lines = (refused / NAME).read_bytes()
    strange = b'{"at":1,"to":"http://x","theirs":"","why":"no","record":{"type":"from the future","run":"a"}}\n'
    (refused / NAME).write_bytes(lines + lines + strange + lines[:50])
    assert len(letters(refused)) == count + 1
    endpoint.ledger.experiments["77"] = "mended"
    assert resend(refused, Courier(dialect_for, refused, 0.1)) == (count + 1, count)
    assert [each.record["type"] for each in letters(refused).values()] == ["from the future"]
    assert sync("--dead-letters")[0] == 0


def test_a_chart_with_holes_is_read_back(shipper, endpoint, journal):
    chart = Heatmap("t", "x", "y", ["a"], ["b"], [[math.nan]])
    shipper.emit(RunStarted(RUN, 5, endpoint.uri, "poor", experiment_id="77"))
    shipper.emit(Drawing(RUN, 6, "c.png", chart))
    assert shipper.flush(10)
    said = [each.said for each in letters(journal).values()]
    assert math.isnan(said[-1].chart.values[0][0])
