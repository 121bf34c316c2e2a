"""What any dialect must survive, as one call: `check_dialect(make, read)`.

`make(wrap)` returns your dialect, talking over `wrap(transport)`: `wrap` takes anything with a method `send` and lets
chosen calls of it fail. `read()` returns what the receiver has, a `Seen` for each run by its name:

>>> from fitscribe.dialects.events import Events
>>> from fitscribe.testing.dialects import Seen, check_dialect
>>> from fitscribe.testing.endpoint import Endpoint
>>> from fitscribe.testing.receiver import Receiver
>>> from fitscribe.transport.http import Http
>>> def read():
...     seen, names = {}, {}
...     for line in endpoint.ledger.lines:
...         if line["type"] == "run":
...             names[line["run"]] = line["name"]
...             seen[line["name"]] = Seen(parent=names.get(line["parent"], ""))
...             continue
...         run = seen[names[line["run"]]]
...         if line["type"] == "params":
...             run.params.update(line["values"])
...         elif line["type"] == "metrics":
...             for key, value in line["values"].items():
...                 run.points.setdefault(key, []).append((line["step"], float(value)))
...         elif line["type"] == "tags":
...             run.tags.update(line["values"])
...         elif line["type"] == "artifact":
...             run.files[line["path"]] = endpoint.ledger.artifacts[f"{line['run']}/{line['path']}"]
...         elif line["type"] == "ended":
...             run.status = line["status"]
...     return seen
>>> with Endpoint(ledger=Receiver(refuses="poison")) as endpoint:
...     uri = endpoint.uri.replace("http:", "events+http:")
...     check_dialect(lambda wrap: Events(wrap(Http(endpoint.uri)), uri), read, uri, refused="poison")
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from fitscribe.dialects import AddressBook, Dialect, Parcel
from fitscribe.dialects.parcels import addressed
from fitscribe.errors import TransportError
from fitscribe.records import Artifact, Metrics, Params, Record, RunEnded, RunStarted, Tags, new_id, now

__all__ = ["Seen", "check_dialect"]

Wrap: TypeAlias = Callable[[Any], Any]
Make: TypeAlias = Callable[[Wrap], Dialect]

FILE = b"0123456789" * 1000
POINTS = [(0, 1.0), (1, 0.5), (2, float("inf")), (2, 0.25), (-1, 0.125)]
MOST = 60  # requests for a parcel before the kit believes that it never ends
PATIENCE = 30  # seconds for threads


class Seen(msgspec.Struct):
    """One run as the receiver has it; `points` are the steps and values of each metric, in the order of arrival.

    Tags that the kit did not set need not be there. `parent` is the name of the parent, or "".
    """

    params: dict[str, str] = {}
    points: dict[str, list[tuple[int, float]]] = {}
    tags: dict[str, str | None] = {}
    files: dict[str, bytes] = {}
    parent: str = ""
    status: str = "RUNNING"


def check_dialect(make: Make, read: Callable[[], Mapping[str, Seen]], uri: str, *, refused: str = "") -> None:
    """Let a dialect live through what dialects live through; `AssertionError` says what was lost, or came twice.

    `uri` is the tracking URI. `refused` is a metric key that the receiver refuses for good, if there is one. Where
    the system can fork, a forked child writes too: `make` must then work there.
    """
    with tempfile.TemporaryDirectory(prefix="fitscribe-dialect-") as folder:
        kit = _Kit(make, read, uri, Path(folder))
        kit.arrives_in_order()
        kit.parents_come_first()
        kit.survives_every_interruption()
        kit.may_be_repeated()
        kit.closes_and_opens()
        kit.serves_two_threads()
        kit.works_after_a_fork()
        if refused:
            kit.sets_aside(refused)


class _Faulty:
    """A transport whose `fails`-th `send` raises `TransportError`, before it was sent or after."""

    def __init__(self, inner: Any, fails: int, after: bool) -> None:
        self.inner, self.fails, self.after, self.calls = inner, fails, after, 0

    def send(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        fails = self.calls == self.fails
        if fails and not self.after:
            raise TransportError("the kit lets this request fail before it is sent")
        answer = self.inner.send(*args, **kwargs)
        if fails:
            raise TransportError("the kit lets the answer to this request get lost")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Kit:
    def __init__(self, make: Make, read: Callable[[], Mapping[str, Seen]], uri: str, folder: Path) -> None:
        self.make, self.read, self.uri, self.folder = make, read, uri, folder
        self.runs = 0

    def started(self, what: str, parent: str = "") -> RunStarted:
        self.runs += 1
        return RunStarted(new_id(), now(), self.uri, f"{what} {self.runs} {new_id()[:6]}", parent=parent)

    def whole(self, run: RunStarted) -> list[Record]:
        """Return a run's records from beginning to end; what it has in the end stands in `expected`."""
        (self.folder / run.run).write_bytes(FILE)
        return [
            run,
            Params(run.run, run.at, {"lr": "0.1", "depth": "3"}),
            Tags(run.run, run.at + 1, {"stage": "first", "gone": "soon"}),
            *(Metrics(run.run, run.at + n, step, {"loss": value}) for n, (step, value) in enumerate(POINTS)),
            Artifact(run.run, run.at + 9, "model/weights é.bin", run.run),
            Tags(run.run, run.at + 10, {"stage": "last", "gone": None}),
            RunEnded(run.run, run.at + 11, "FINISHED"),
        ]

    def parcel(self, run: RunStarted, records: Sequence[Record], book: AddressBook | None = None) -> Parcel:
        return Parcel(run.run, self.uri, records, book or self.book(run), [self.folder])

    def book(self, *runs: RunStarted, doubt: bool = False) -> AddressBook:
        found = [addressed(run) for run in runs]
        for address in found:
            address.doubt = doubt
        return AddressBook(found)

    @contextlib.contextmanager
    def dialect(self, wrap: Wrap = lambda transport: transport) -> Iterator[Dialect]:
        opened = self.make(wrap)
        try:
            yield opened
        finally:
            opened.close()

    def expect(self, run: RunStarted, when: str, key: str = "loss") -> None:
        """See that all of a run is there, once."""
        seen = self.seen(run, when)
        assert seen.params == {"lr": "0.1", "depth": "3"}, f"{when}: the params are {seen.params}"
        assert seen.points == {key: POINTS}, f"{when}: the metric points are {seen.points}, not {POINTS}"
        tags = seen.tags.get("stage"), seen.tags.get("gone")
        assert tags == ("last", None), f"{when}: the tags stage and gone are {tags}"
        assert seen.files == {"model/weights é.bin": FILE}, f"{when}: the files are {sorted(seen.files)}"
        assert seen.status == "FINISHED", f"{when}: the status is {seen.status}"

    def seen(self, run: RunStarted, when: str) -> Seen:
        found = self.read()
        assert run.name in found, f"{when}: the run is not there; there are {sorted(found)}"
        return found[run.name]

    def arrives_in_order(self) -> None:
        run = self.started("plain")
        with self.dialect() as dialect:
            parcel = self.parcel(run, self.whole(run))
            dialect.write(parcel)
        assert not parcel.refused, f"a plain run: {parcel.refused[0].why}"
        assert parcel.book.theirs(run.run), "a plain run: the dialect did not `learn` what the receiver calls it"
        self.expect(run, "a plain run")

    def parents_come_first(self) -> None:
        parent = self.started("parent")
        child = self.started("child", parent.run)
        book = self.book(parent, child)
        with self.dialect() as dialect:
            dialect.write(self.parcel(parent, [parent], book))
            dialect.write(self.parcel(child, self.whole(child), book))
        self.expect(child, "a child run")
        found = self.seen(child, "a child run").parent
        assert found == parent.name, f"a child run: its parent is {found!r}, not {parent.name!r}"

    def survives_every_interruption(self) -> None:
        for after in (False, True):
            for fails in range(1, MOST):
                if not self.interrupted(fails, after):
                    break
            else:
                raise AssertionError(f"a plain run took more than {MOST} requests")

    def interrupted(self, fails: int, after: bool) -> bool:
        """Let one request fail, and write again; False when there were not so many requests."""
        run = self.started("interrupted")
        when = f"request {fails} {'lost its answer' if after else 'was not sent'}"
        with self.dialect(lambda transport: _Faulty(transport, fails, after)) as dialect:
            parcel = self.parcel(run, self.whole(run))
            try:
                dialect.write(parcel)
            except TransportError:
                dialect.write(parcel)
            else:
                return False
        assert not parcel.refused, f"{when}: {parcel.refused[0].why}"
        self.expect(run, when)
        return True

    def may_be_repeated(self) -> None:
        """A process that died before it wrote down how far it got: another one sends all of it again."""
        run = self.started("repeated")
        records, before = self.whole(run), len(self.read())
        for doubt in (False, True):
            with self.dialect() as dialect:
                dialect.write(self.parcel(run, records, self.book(run, doubt=doubt)))
        self.expect(run, "a run sent twice")
        assert len(self.read()) == before + 1, "a run sent twice is there twice"

    def closes_and_opens(self) -> None:
        run = self.started("closed")
        records, book = self.whole(run), self.book(run)
        with self.dialect() as dialect:
            dialect.write(self.parcel(run, records[:2], book))
            dialect.close()
            dialect.write(self.parcel(run, records[2:5], book))
        with self.dialect() as another:
            another.write(self.parcel(run, records[5:], book))
        self.expect(run, "a dialect that was closed in between")

    def serves_two_threads(self) -> None:
        runs = [self.started("thread") for _ in range(2)]
        book, errors = self.book(*runs), list[BaseException]()
        with self.dialect() as dialect:

            def write(run: RunStarted) -> None:
                try:
                    for record in self.whole(run):
                        dialect.write(self.parcel(run, [record], book))
                except (AssertionError, TransportError, LookupError, ValueError, TypeError, OSError) as error:
                    errors.append(error)

            threads = [threading.Thread(target=write, args=[run], daemon=True) for run in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
                assert not thread.is_alive(), "two threads with different runs: one hangs"
        if errors:
            raise AssertionError(f"two threads with different runs: {errors[0]!r}") from errors[0]
        for run in runs:
            self.expect(run, "two threads with different runs")

    def works_after_a_fork(self) -> None:
        if not hasattr(os, "fork"):
            return
        run = self.started("forked")
        records, book = self.whole(run), self.book(run)
        with self.dialect() as dialect:
            dialect.write(self.parcel(run, records[:3], book))
            status = _forked(lambda: self._in_child(run, records[3:7], book))
            assert status == 0, "after a fork: the child failed; its traceback stands on stderr"
            dialect.write(self.parcel(run, records[7:], book))
        self.expect(run, "after a fork")

    def _in_child(self, run: RunStarted, records: Sequence[Record], book: AddressBook) -> None:
        with self.dialect() as dialect:
            dialect.write(self.parcel(run, records, book))

    def sets_aside(self, key: str) -> None:
        run = self.started("refused")
        bad = Metrics(run.run, run.at, 0, {key: 1.0})
        records = self.whole(run)
        with self.dialect() as dialect:
            parcel = self.parcel(run, [*records[:4], bad, *records[4:]])
            dialect.write(parcel)
        found = [refusal.record for refusal in parcel.refused]
        assert found == [bad], f"a metric {key!r} that is refused: {found} was set aside"
        assert parcel.refused[0].why, f"a metric {key!r} that is refused: nobody says why"
        self.expect(run, f"a metric {key!r} that is refused")


def _forked(work: Callable[[], None]) -> int:
    """Do something in a forked child; return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tried here
        child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            if status:
                import traceback

                traceback.print_exc()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
