"""Events: the plain records as JSON lines to any URL, for receivers that speak no tracking protocol.

With the tracking URI `events+https://host/path` (or `events+http://`), what is recorded is POSTed to
`https://host/path` as lines of JSON (`application/x-ndjson`, at most 1000 lines or 1 MB in a request):

    {"type": "run", "id": "0f9c...", "at": 1767225600000, "run": "5be2...", "name": "mlp", "experiment": "digits", ...}
    {"type": "metrics", "id": "77a1...", "at": 1767225601250, "run": "5be2...", "step": 3, "values": {"loss": 0.25}}
    {"type": "ended", "id": "e01d...", "at": 1767225612000, "run": "5be2...", "status": "FINISHED"}

`events.schema.json`, beside this file, describes every kind of line. What a receiver can rely on:

* The lines of one run come in the order in which they were said, a parent begins before its children, and a request
  holds lines of one run. Runs come side by side.
* A line may come again, after an answer that got lost or from another process that goes on for one that died. It has
  the same `id` then: a line whose id was seen before can be left out.
* Any answer below 300 takes all lines of a request. 400, 409, 413 and 422 refuse something in it: the request is
  halved until the lines at fault stand alone, which are set aside with the words of the answer. Everything else (no
  answer, 401, 403, 404, 408, 429 with Retry-After, 5xx) means later: the lines wait in the journal.
* Run ids are those of fitscribe. Credentials are what they are for a tracking server: `Authorization` from
  MLFLOW_TRACKING_TOKEN, a user and password of the URL, a client certificate, headers of installed packages.
* A file is sent by PUT to `<url>/artifacts/<run>/<path>` before the line that tells of it. A receiver that answers 404,
  405 or 501 to that gets lines alone, with `stored` false. Charts come as their data, in the line.

There is nothing to read: `search_runs`, `get_run` and the like raise `MisuseError` at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from fitscribe.config import without_credentials
from fitscribe.dialects.answers import Absent, content
from fitscribe.dialects.lines import Line, encoded, line_of
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import ServerError, TransportError
from fitscribe.guard import warn_once
from fitscribe.records import Artifact, Record
from fitscribe.transport import Answer
from fitscribe.transport.http import Http

__all__ = ["Events", "dialect"]

LINES, BYTES = 1000, 1_000_000  # in a request
SPLIT = (400, 409, 413, 422)  # statuses that speak of something in the request
STUBBORN = 20  # lines in a row that were refused one by one before no more of a request are tried
NOT_TRIED = "the lines before it were all refused, so it was not sent"
NO_FILES = (404, 405, 501)
NDJSON = "application/x-ndjson"


class Said(NamedTuple):
    """A record and its line, encoded."""

    record: Record
    line: bytes


Work: TypeAlias = "Artifact | list[Said]"


def dialect(uri: str) -> Events:
    """Return the dialect for a URI `events+http(s)://...`; an entry point of `fitscribe.dialects`."""
    return Events(Http(uri.removeprefix("events+")), uri)


class Events:
    """One receiver. What was taken of a parcel is not sent again after a failure."""

    parallel = 8

    def __init__(self, transport: Http, uri: str) -> None:
        """Post over `transport`; `uri` is the tracking URI."""
        self.transport, self.uri = transport, without_credentials(uri)
        self._takes_files = True

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from the receiver."""
        return self.transport.moved

    def close(self) -> None:
        """Let go of connections."""
        self.transport.close()

    def write(self, parcel: Parcel) -> None:
        """Write what is left of a parcel; see `Dialect.write`."""
        if parcel.run and parcel.book.get(parcel.run) and not parcel.book.theirs(parcel.run):
            parcel.book.learn(parcel.run, parcel.run)
        if parcel.rest is None:
            parcel.rest = deque(_planned(parcel))
        refusals = 0
        while parcel.rest:
            work: Work = parcel.rest[0]
            more: list[Work] = []
            try:
                if isinstance(work, Artifact):
                    more = [[self._stored(parcel, work)]]
                else:
                    self._post(work)
                    refusals = 0
            except ServerError as error:
                if isinstance(work, list) and len(work) > 1 and error.status in SPLIT:
                    more = _halved(parcel, work, refusals)
                else:
                    refusals += 1
                    parcel.refuse([work] if isinstance(work, Artifact) else [said.record for said in work], str(error))
            parcel.rest.popleft()
            parcel.rest.extendleft(reversed(more))

    def _post(self, work: Sequence[Said]) -> None:
        self._content("", self.transport.send("POST", "", b"".join(said.line for said in work), NDJSON))

    def _stored(self, parcel: Parcel, record: Artifact) -> Said:
        """Put a file, and return what to say of it."""
        file, run = parcel.file(record), _theirs(parcel)
        if not file.exists():
            raise ServerError(0, "", f"the snapshot {record.file} was removed before it was sent")
        size = file.stat().st_size
        if self._takes_files:
            if ".." in record.path.split("/"):
                raise ServerError(400, "", f"the artifact path {record.path!r} leaves the run's folder")
            path = f"/artifacts/{run}/{quote(record.path.strip('/'))}"
            answer = self.transport.send("PUT", path, file)
            if answer.status in NO_FILES:
                self._takes_files = False
                warn_once("%s takes no files (%d): artifacts are only named there", self.uri, answer.status)
            else:
                self._content(path, answer)
        return _said(record, line_of(record, run, size=size, stored=self._takes_files))

    def _content(self, path: str, answer: Answer) -> None:
        try:
            content(self.uri, path or "events", answer)
        except Absent as error:  # a proxy without its server, or a mistake in the URI: neither is for good
            warn_once("%s answered %d: it takes no events. Check the tracking URI", self.uri, error.status)
            raise TransportError(f"{self.uri} takes no events ({error.message})", wait=10) from None


def _planned(parcel: Parcel) -> Iterator[Work]:
    """Pack the lines of a parcel; a file goes before the line that tells of it."""
    run, size = _theirs(parcel), 0
    batch: list[Said] = []
    for record in parcel.records:
        said = None if isinstance(record, Artifact) else _said(record, line_of(record, run))
        if batch and (said is None or len(batch) == LINES or size + len(said.line) > BYTES):
            yield batch
            batch, size = [], 0
        if said is None:
            yield record  # type: ignore[misc]
        else:
            batch.append(said)
            size += len(said.line)
    if batch:
        yield batch


def _halved(parcel: Parcel, work: list[Said], refusals: int) -> list[Work]:
    if refusals >= STUBBORN:
        parcel.refuse((said.record for said in work), NOT_TRIED)
        return []
    middle = len(work) // 2
    return [work[:middle], work[middle:]]


def _said(record: Record, line: Line) -> Said:
    return Said(record, encoded(line) + b"\n")


def _theirs(parcel: Parcel) -> str:
    return parcel.book.theirs(parcel.run) or parcel.run
