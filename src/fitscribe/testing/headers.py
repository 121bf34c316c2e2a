"""What a provider of request headers must survive, as one call: `check_headers(provider)`.

A provider is the function behind an entry point of the group `fitscribe.request_headers`; it gets the tracking URI and
returns a dict of headers, such as a token that lives for minutes.

>>> import itertools
>>> from fitscribe.testing import check_headers
>>> tokens = itertools.count()
>>> def request_headers(uri):
...     return {"Authorization": f"Bearer {next(tokens)}", "X-Team": "blue"}
>>> check_headers(request_headers, expected={"X-Team": "blue"}, fresh=("Authorization",))
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fitscribe import config
from fitscribe.guard import outcome
from fitscribe.run import Run
from fitscribe.testing.endpoint import Endpoint
from fitscribe.testing.isolation import apart, fresh_delivery, heard
from fitscribe.transport.providers import GROUP, NAME, carried

__all__ = ["check_headers"]

Provider = Callable[[str], Any]
PROVIDED = "fitscribe_headers_under_test"
PATIENCE = 30  # seconds for threads and for delivery
SHORT = 8  # characters below which a value may stand in a log by chance


def check_headers(
    provider: Provider,
    *,
    expected: Mapping[str, str] | None = None,
    fresh: tuple[str, ...] = (),
    seconds: float = 5.0,
) -> None:
    """Let a provider live through what providers live through; `AssertionError` says what does not work.

    `expected` are headers that it must return. `fresh` names those that are others when it is asked again, as after a
    401. It may take `seconds` at most each time. No header's value is shown in an error or a log of this kit.
    """
    kit = _Kit(provider, dict(expected or {}), fresh, seconds)
    kit.answers_with_headers()
    kit.answers_for_any_endpoint()
    kit.gives_out_copies()
    kit.answers_in_threads()
    with apart():
        kit.goes_with_each_request()
        kit.is_asked_again_after_a_401()
        kit.makes_way_for_what_the_user_set()


class _Kit:
    def __init__(self, provider: Provider, expected: dict[str, str], fresh: tuple[str, ...], seconds: float) -> None:
        self.provider, self.expected, self.fresh, self.seconds = provider, expected, fresh, seconds

    def asked(self, uri: str = "https://tracking.example.com") -> dict[str, str]:
        """Ask, and see that what comes is headers."""
        began = time.monotonic()
        found = outcome(self.provider, uri)
        took = time.monotonic() - began
        if isinstance(found, Exception):
            raise AssertionError(f"asked for {uri} it raised {type(found).__name__}") from found
        _see(took <= self.seconds, f"asked for {uri} it took {took:.1f} s; delivery waits for it, at most so long")
        _see(isinstance(found, dict), f"it returned {type(found).__name__}, and should return a dict")
        for name, value in found.items():
            _see(isinstance(name, str), f"the header's name {name!r} is no text")
            _see(NAME.fullmatch(name), f"no header is named {name!r}")
            _see(isinstance(value, str), f"the value of {name} is of type {type(value).__name__}, and should be a text")
            _see(carried(value), f"the value of {name} has a line break or another character that none can carry")
        headers: dict[str, str] = found
        return headers

    def answers_with_headers(self) -> None:
        found = {name.lower(): value for name, value in self.asked().items()}
        for name, value in self.expected.items():
            _see(name.lower() in found, f"the header {name} is not there; there are {sorted(found)}")
            _see(found[name.lower()] == value, f"the header {name} has another value than expected")

    def answers_for_any_endpoint(self) -> None:
        """It is asked for every endpoint that runs go to: one that it does not know is no reason to raise."""
        for uri in ("http://127.0.0.1:5000", "https://[::1]:8443/mlflow", "events+https://collector.example.com/in"):
            self.asked(uri)

    def gives_out_copies(self) -> None:
        first = self.asked()
        first["X-Changed"] = "by the kit"
        _see("X-Changed" not in self.asked(), "it gives out the same dict each time, which whoever gets it may change")

    def answers_in_threads(self) -> None:
        """Endpoints are asked from threads of their own."""
        errors: list[AssertionError] = []

        def ask() -> None:
            try:
                self.asked()
            except AssertionError as error:
                errors.append(error)

        together = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for each in together:
            each.start()
        for each in together:
            each.join(PATIENCE)
            _see(not each.is_alive(), "asked in four threads at once, it hangs")
        if errors:
            raise AssertionError(f"asked in four threads at once: {errors[0]}") from errors[0]

    def goes_with_each_request(self) -> None:
        with self.delivering() as (endpoint, lines):
            self.train("plain")
            _see(endpoint.ledger.named("plain").status == "FINISHED", "a run did not arrive")
            given = {name.lower() for name in self.asked(endpoint.uri)}
            for request in endpoint.requests:
                missing = given - {name.lower() for name in request.headers}
                _see(not missing, f"{request.method} {request.path} went without {sorted(missing)}")
            self.kept_to_itself(endpoint, lines)

    def is_asked_again_after_a_401(self) -> None:
        for name in self.fresh:
            one, other = _value(self.asked(), name), _value(self.asked(), name)
            _see(one != other, f"asked again, as after a 401, the header {name} is the same, which was refused")
        if not self.fresh:
            return
        with self.delivering() as (endpoint, lines):
            self.train("before")
            seen = len(endpoint.requests)
            endpoint.trouble("answer", status=401, body={"message": "who are you?"})
            self.train("after")
            _see(endpoint.ledger.named("after").status == "FINISHED", "after a 401 the run did not arrive")
            before, after = endpoint.requests[seen].headers, endpoint.requests[seen + 1].headers
            for name in self.fresh:
                _see(_value(before, name) != _value(after, name), f"after a 401 the header {name} was not renewed")
            self.kept_to_itself(endpoint, lines)

    def makes_way_for_what_the_user_set(self) -> None:
        config.configure(tracking_token="said-by-the-user")
        with self.delivering() as (endpoint, _):
            self.train("credential")
            said = {_value(each.headers, "Authorization") for each in endpoint.requests}
            _see(said == {"Bearer said-by-the-user"}, "a token that the user set does not win over the provider's")
        config.configure(tracking_token=None)

    def kept_to_itself(self, endpoint: Endpoint, lines: list[logging.LogRecord]) -> None:
        """See that no value stands in a log, and that nothing failed."""
        failed = [each.getMessage() for each in lines if each.exc_info]
        _see(not failed, f"while it delivered: {failed}")
        names = {name.lower() for name in self.asked(endpoint.uri)}
        values = {value for each in endpoint.requests for name, value in each.headers.items() if name.lower() in names}
        text = "\n".join(each.getMessage() for each in lines)
        _see(not any(value in text for value in values if len(value) >= SHORT), "a header's value stands in a log")

    def train(self, name: str) -> None:
        """Record a run, and wait until it is delivered."""
        from fitscribe import delivery

        run = Run.start(name)
        run.log_metrics({"loss": 0.5})
        run.end()
        _see(delivery.the_delivery().flush(PATIENCE), f"the run was not delivered in {PATIENCE} s")

    @contextlib.contextmanager
    def delivering(self) -> Iterator[tuple[Endpoint, list[logging.LogRecord]]]:
        """Deliver to a fake endpoint, the provider installed as its package would be."""
        with tempfile.TemporaryDirectory(prefix="fitscribe-headers-") as folder, Endpoint() as endpoint:
            config.configure(tracking_uri=endpoint.uri, dir=folder)
            with _installed(self.provider, Path(folder)), heard() as lines, fresh_delivery():
                yield endpoint, lines
            config.configure(tracking_uri=None, dir=None)


def _see(kept: object, words: str) -> None:
    """Raise `AssertionError(words)` unless kept; pytest would show what an `assert` compares, which may be a secret."""
    if not kept:
        raise AssertionError(words)


def _value(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


@contextlib.contextmanager
def _installed(provider: Provider, folder: Path) -> Iterator[None]:
    """Put on the path what an installer leaves, for a block."""
    info = folder / f"{PROVIDED}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROVIDED}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nunder-test = {PROVIDED}:provider\n")
    module: Any = ModuleType(PROVIDED)
    module.provider = provider
    sys.modules[PROVIDED] = module
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        del sys.modules[PROVIDED]
