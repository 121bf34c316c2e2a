import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import fitscribe
from fitscribe.config import canonical_uri, configure
from fitscribe.dialects import Address, AddressBook, Parcel, lines
from fitscribe.dialects.events import LINES, STUBBORN, Events, dialect
from fitscribe.errors import MisuseError, TransportError
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Drawing,
    ExperimentNamed,
    Heatmap,
    Metrics,
    ModelBegun,
    ModelLogged,
    Params,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Source,
    Tags,
)
from fitscribe.testing.endpoint import Endpoint
from fitscribe.testing.receiver import Receiver

RUN, TO = "a" * 32, "events+http://nowhere"

EVERY: list[Record] = [
    RunStarted(RUN, 1, TO, "mlp", "digits", parent="b" * 32, tags={"k": "v"}),
    RunResumed(RUN, 2, TO, RUN),
    Params(RUN, 3, {"lr": "0.1"}),
    Metrics(RUN, 4, 7, {"loss": 0.5, "bad": math.nan, "up": math.inf, "down": -math.inf}),
    Tags(RUN, 5, {"gone": None, "set": "é"}),
    Drawing(RUN, 6, "c.png", Heatmap("t", "x", "y", ["r"], ["c"], [[math.nan]])),
    DatasetUsed(RUN, 7, "iris", "d1", context="train"),
    ModelBegun(RUN, 8, "m-" + "c" * 32, "model", {"C": "1.0"}),
    ModelLogged(RUN, 8, "model", "{}", "digits", "m-" + "c" * 32),
    RunEnded(RUN, 9, "FINISHED"),
    ExperimentNamed(10, TO, "digits"),
]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(refuses="poison")


@pytest.fixture
def served(receiver: Receiver) -> Iterator[Endpoint]:
    with Endpoint(ledger=receiver) as endpoint:
        yield endpoint


@pytest.fixture
def events(served: Endpoint) -> Iterator[Events]:
    opened = dialect(f"events+{served.uri}")
    yield opened
    opened.close()


@pytest.fixture
def parcel(tmp_path: Path) -> Callable[..., Parcel]:
    def packed(*records: Record, run: str = RUN) -> Parcel:
        return Parcel(run, TO, records, AddressBook([Address(run, TO)]), [tmp_path])

    return packed


def test_the_schema_in_the_package_is_what_the_code_says() -> None:
    assert Path(lines.__file__).with_name("events.schema.json").read_bytes() == lines.schema()


def test_every_kind_of_record_has_a_line_that_the_schema_describes() -> None:
    kinds = set(msgspec.json.schema_components([Record])[1]) - {Source.__name__, "Lines", "Heatmap", "Bars"}
    assert {kind.__name__ for kind in lines.LINES} >= kinds
    for kind, line in lines.LINES.items():
        lost = set(kind.__struct_fields__) - set(line.__struct_fields__)
        assert lost <= {"to", "theirs", "file"}, f"the line of {kind.__name__} says nothing of {lost}"
    for record in EVERY:
        line = msgspec.json.encode(lines.line_of(record, RUN))
        assert lines.encoded(msgspec.json.decode(line, type=lines.Line)) == line  # the types of the schema


def test_the_records_come_as_lines_in_order(events: Events, receiver: Receiver, parcel: Callable[..., Parcel]) -> None:
    written = parcel(*EVERY)
    events.write(written)
    assert written.book.theirs(RUN) == RUN
    assert [line["type"] for line in receiver.lines] == [
        *("run", "resumed", "params", "metrics", "tags", "drawing", "dataset", "model-begun", "model"),
        *("ended", "experiment"),
    ]
    assert receiver.lines[3] == {
        "type": "metrics", "id": receiver.lines[3]["id"], "at": 4, "run": RUN, "step": 7,
        "values": {"loss": 0.5, "bad": "NaN", "up": "Infinity", "down": "-Infinity"},
    }  # fmt: skip
    assert receiver.lines[5]["chart"]["values"] == [["NaN"]]
    assert "to" not in receiver.lines[0]


def test_the_media_type_says_lines_of_json(events: Events, served: Endpoint, parcel: Callable[..., Parcel]) -> None:
    events.write(parcel(*EVERY))
    assert [r.headers["Content-Type"] for r in served.requests] == ["application/x-ndjson"]


def test_a_request_holds_a_thousand_lines_or_a_megabyte(
    events: Events, served: Endpoint, receiver: Receiver, parcel: Callable[..., Parcel]
) -> None:
    events.write(parcel(*(Metrics(RUN, n, n, {"loss": 0.5}) for n in range(2 * LINES + 1))))
    assert [len(r.body.splitlines()) for r in served.requests] == [LINES, LINES, 1]
    assert [line["step"] for line in receiver.lines] == list(range(2 * LINES + 1))
    events.write(parcel(*(Params(RUN, n, {f"p{n}": "x" * 400_000}) for n in range(4))))
    assert [len(r.body.splitlines()) for r in served.requests[3:]] == [2, 2]


def test_a_line_has_the_same_id_when_it_comes_again_from_another_process() -> None:
    known = RunStarted(RUN, 1, TO, "mlp", tags={"mlflow.source.git.commit": "abc"})
    unknown = RunStarted(RUN, 1, "events+http://elsewhere", "mlp")
    assert lines.line_of(known, RUN).id == lines.line_of(unknown, RUN).id
    points = [Metrics(RUN, 4, 7, {"loss": value}) for value in (0.5, 0.25, 0.5)]
    first, second, again = (lines.line_of(point, RUN).id for point in points)
    assert first == again != second


def test_what_was_sent_is_not_sent_again_after_a_failure(
    events: Events, served: Endpoint, receiver: Receiver, parcel: Callable[..., Parcel]
) -> None:
    written = parcel(*(Metrics(RUN, n, n, {"loss": 0.5}) for n in range(3 * LINES)))
    served.requests.clear()
    served.trouble("answer", status=503, times=0)
    events.write(parcel(Params(RUN, 1, {"a": "b"})))
    served.troubles[0].times = 1
    with pytest.raises(TransportError, match="answered 503"):
        events.write(written)
    events.write(written)
    assert [len(r.body.splitlines()) for r in served.requests] == [1, LINES, LINES, LINES, LINES]
    assert [line["step"] for line in receiver.lines[1:]] == list(range(3 * LINES))


def test_one_poisoned_line_is_set_aside_with_the_receivers_words(
    events: Events, receiver: Receiver, parcel: Callable[..., Parcel]
) -> None:
    said = [Metrics(RUN, n, n, {"poison" if n == 77 else "loss": 0.5}) for n in range(300)]
    written = parcel(*said)
    events.write(written)
    assert [(r.record, r.why) for r in written.refused] == [(said[77], "HTTP 422: the word 'poison' is not taken here")]
    assert sorted(line["step"] for line in receiver.lines) == [n for n in range(300) if n != 77]


def test_a_receiver_that_refuses_all_of_it_is_not_asked_a_thousand_times(
    events: Events, served: Endpoint, parcel: Callable[..., Parcel]
) -> None:
    written = parcel(*(Metrics(RUN, n, n, {"poison": 0.5}) for n in range(1000)))
    events.write(written)
    assert len(written.refused) == 1000
    assert len(served.requests) < 4 * STUBBORN


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 429, 500, 502])
def test_what_may_pass_leaves_the_lines_for_later(
    events: Events, served: Endpoint, receiver: Receiver, parcel: Callable[..., Parcel], status: int
) -> None:
    served.trouble("answer", status=status)
    written = parcel(*EVERY)
    with pytest.raises(TransportError):
        events.write(written)
    events.write(written)
    assert not written.refused
    assert len(receiver.lines) == len(EVERY)


def test_a_file_is_put_before_the_line_that_tells_of_it(
    events: Events, served: Endpoint, receiver: Receiver, parcel: Callable[..., Parcel], tmp_path: Path
) -> None:
    (tmp_path / "snapshot").write_bytes(b"weights" * 100_000)
    served.trouble("drop-after", "artifacts")
    events.write(parcel(EVERY[0], Artifact(RUN, 2, "a b/é?.bin", "snapshot"), EVERY[9]))
    assert receiver.artifacts == {f"{RUN}/a b/é?.bin": b"weights" * 100_000}
    assert [line["type"] for line in receiver.lines] == ["run", "artifact", "ended"]
    told = receiver.lines[1]
    assert (told["path"], told["size"], told["stored"]) == ("a b/é?.bin", 700_000, True)


def test_a_receiver_without_room_for_files_gets_lines_alone(
    parcel: Callable[..., Parcel], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "snapshot").write_bytes(b"x")
    with Endpoint(ledger=Receiver(files=False)) as endpoint:
        opened = dialect(f"events+{endpoint.uri}")
        opened.write(parcel(*(Artifact(RUN, n, f"{n}.txt", "snapshot") for n in range(3))))
        opened.close()
    assert [(line["path"], line["stored"]) for line in endpoint.ledger.lines] == [(f"{n}.txt", False) for n in range(3)]
    assert [r.method for r in endpoint.requests] == ["PUT", "POST", "POST", "POST"]
    assert [each.message for each in caplog.records if "takes no files" in each.message] == [
        f"events+{endpoint.uri} takes no files (405): artifacts are only named there"
    ]


def test_a_snapshot_that_is_gone_is_set_aside(events: Events, parcel: Callable[..., Parcel]) -> None:
    written = parcel(Artifact(RUN, 2, "a.txt", "nowhere"))
    events.write(written)
    assert "was removed before it was sent" in written.refused[0].why


def test_a_run_that_goes_on_keeps_the_id_it_had(events: Events, receiver: Receiver, tmp_path: Path) -> None:
    book = AddressBook([Address("c" * 32, TO, theirs=RUN)])
    events.write(Parcel("c" * 32, TO, [Params("c" * 32, 1, {"a": "b"})], book, [tmp_path]))
    assert [line["run"] for line in receiver.lines] == [RUN]


def test_a_script_that_logs_to_an_events_uri(served: Endpoint, receiver: Receiver, tmp_path: Path) -> None:
    fitscribe.set_tracking_uri(f"events+{served.uri.replace('//', '//me:s3cret-word@')}/")
    try:
        (tmp_path / "note.txt").write_text("hello")
        with fitscribe.start_run(run_name="outer"):
            fitscribe.log_param("lr", 0.1)
            fitscribe.log_artifact(tmp_path / "note.txt")
            with fitscribe.start_run(run_name="inner", nested=True) as inner:
                fitscribe.log_metric("loss", math.nan, step=3)
                assert inner.info.run_id
        assert fitscribe.flush(20)
        outer, inner = (line for line in receiver.lines if line["type"] == "run")
        assert (outer["name"], inner["name"], inner["parent"]) == ("outer", "inner", outer["run"])
        assert [line["values"] for line in receiver.of(inner["run"]) if line["type"] == "metrics"] == [{"loss": "NaN"}]
        assert receiver.artifacts == {f"{outer['run']}/note.txt": b"hello"}
        assert [line["type"] for line in receiver.of(inner["run"])][-1] == "ended"
        assert served.requests[0].headers["Authorization"].startswith("Basic ")
    finally:
        fitscribe.set_tracking_uri("")
        from fitscribe import delivery

        delivery.forget()
    kept = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert b"s3cret" not in kept


def test_reads_say_at_once_that_there_is_nothing_to_read(served: Endpoint) -> None:
    client = fitscribe.Client(f"events+{served.uri}")
    began = time.monotonic()
    for read in (
        lambda: client.search_runs(["0"]),
        lambda: client.get_run(RUN),
        lambda: client.list_artifacts(RUN),
        lambda: client.get_experiment_by_name("digits"),
    ):
        with pytest.raises(MisuseError, match=r"takes what is recorded and cannot be asked for it; what reads"):
            read()
    assert time.monotonic() - began < 2
    assert served.requests == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("events+https://", "names no host"),
        ("events+https://host/path?key=hush-hush", "MLFLOW_TRACKING_TOKEN"),
        ("events+http://user:hush/hush@host", "write / as %2F"),
        ("http://user:hush-hush@", "names no host"),
        ("http://user:hush-hush@host:port", "names no host"),
        ("https://user:1/hush-hush@host", "write / as %2F"),
        ("http://user:hush#hush-hush@host", "write / as %2F"),
        ("gopher+x://user:hush-hush@host", "unknown scheme 'gopher[+]x'"),
    ],
)
def test_an_address_that_is_wrong_is_said_without_its_password(uri: str, words: str) -> None:
    with pytest.raises(MisuseError, match=words) as raised:
        canonical_uri(uri)
    assert "hush" not in str(raised.value)


def test_the_scheme_is_small_and_the_slash_goes() -> None:
    assert canonical_uri("EVENTS+HTTPS://Host/path/") == "events+https://Host/path"
    configure()
