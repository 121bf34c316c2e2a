from fitscribe.dialects import Address, AddressBook
from fitscribe.records import Artifact, ExperimentNamed, Params, Record, RunEnded, RunResumed, RunStarted, Source
from fitscribe.shipping.sorting import sorted_out, waves


def run(name: str, parent: str = "") -> RunStarted:
    return RunStarted(name, 1, "http://a", parent=parent)


def shown(records: list[Record], book: AddressBook) -> list[list[tuple[str, list[Record]]]]:
    parcels = sorted_out(records, book, [], {})
    return [[(parcel.run, list(parcel.records)) for parcel in wave] for wave in waves(parcels)]


def test_parents_come_before_children_and_the_rest_travels_together() -> None:
    book = AddressBook(Address(name, "http://a") for name in "abcd")
    said: list[Record] = [
        run("c", parent="b"),
        run("a"),
        Params("a", 1, {"x": "1"}),
        run("b", parent="a"),
        RunEnded("b", 2, "FINISHED"),
        run("d"),
        ExperimentNamed(1, "http://a", "e"),
    ]
    assert shown(said, book) == [
        [("", [ExperimentNamed(1, "http://a", "e")])],
        [("a", [run("a")])],
        [("b", [run("b", parent="a")])],
        [
            ("c", [run("c", parent="b")]),
            ("a", [Params("a", 1, {"x": "1"})]),
            ("b", [RunEnded("b", 2, "FINISHED")]),
            ("d", [run("d")]),
        ],
    ]


def test_a_resumed_run_shares_the_parcel_of_the_run_it_is() -> None:
    book = AddressBook([Address("a", "http://a", "theirs"), Address("b", "http://a", "theirs")])
    said: list[Record] = [RunEnded("a", 1, "FAILED"), RunResumed("b", 2, "http://a", "theirs")]
    assert shown(said, book) == [[("a", said)]]


def test_runs_get_the_tags_of_the_source_but_their_own_win() -> None:
    book = AddressBook([Address("a", "http://a")])
    started = RunStarted("a", 1, "http://a", tags={"mine": "1", "both": "mine"})
    (parcel,) = sorted_out([Source(1, {}), started], book, [], {"both": "source", "commit": "c"})
    assert parcel.records == [
        RunStarted("a", 1, "http://a", tags={"both": "mine", "commit": "c", "mine": "1"}),
    ]


def test_parents_in_a_circle_do_not_hang() -> None:
    book = AddressBook(Address(name, "http://a") for name in "ab")
    assert sum(len(wave) for wave in shown([run("a", "b"), run("b", "a")], book)) == 2


def test_files_wait_for_the_values_of_all_runs() -> None:
    book = AddressBook(Address(name, "http://a") for name in "abc")
    file, ended, params = Artifact("a", 2, "model", "spool/1"), RunEnded("a", 3, "FINISHED"), Params("a", 2, {"x": "1"})
    said: list[Record] = [run("a"), file, ended, params, run("b"), Artifact("c", 2, "x", "spool/2")]
    assert shown(said, book) == [
        [("a", [run("a"), params]), ("b", [run("b")])],
        [("a", [file, ended]), ("c", [Artifact("c", 2, "x", "spool/2")])],
    ]
    assert shown([run("a"), file, ended], book) == [[("a", [run("a"), file, ended])]]
