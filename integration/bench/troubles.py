"""The troubles that an endpoint can be in, each as a tracking URI that is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fitscribe.testing.endpoint import Endpoint
from integration.faults.proxy import Proxy, Rule

__all__ = ["BACK_AFTER", "TROUBLES", "Troubled", "in_trouble"]

BACK_AFTER = 3.0  # seconds
FOR_EVER = 1e6  # seconds

TROUBLES: dict[str, Rule | None] = {
    "refused": None,
    "black hole": Rule("silence", seconds=FOR_EVER),
    "no such host": None,
    "TLS fails": None,
    "500": Rule("refused", status=500),
    "429, Retry-After: 5": Rule("refused", status=429, headers={"Retry-After": "5"}),
    "408": Rule("refused", status=408),
    "HTML": Rule("html"),
    "half an answer": Rule("cut"),
    "dies in the middle": Rule("closed", every=4, seconds=FOR_EVER),
    "back after a while": None,
}
"""What each request meets there; None where it is not a matter of requests."""


class Troubled:
    """An endpoint in trouble: `uri`, and the sound endpoint behind it (which nothing may reach)."""

    def __init__(self, name: str, endpoint: Endpoint, proxy: Proxy) -> None:
        self.name, self.endpoint, self.proxy = name, endpoint, proxy
        self.uri = proxy.uri
        if name == "no such host":
            self.uri = "http://fitscribe.invalid:5000"
        elif name == "TLS fails":
            self.uri = proxy.uri.replace("http:", "https:")


@contextmanager
def in_trouble(name: str) -> Iterator[Troubled]:
    """Give an endpoint that is in one of `TROUBLES` until the block ends; `back after a while` begins now.

    Any other name, such as `no trouble`, is an endpoint in none.
    """
    with Endpoint() as endpoint, Proxy(int(endpoint.uri.rpartition(":")[2])) as proxy:
        rule = TROUBLES.get(name)
        if rule is not None:
            proxy.rules = [replace(rule)]  # a rule counts what it has seen
        elif name in ("refused", "back after a while"):
            proxy.shut(FOR_EVER if name == "refused" else BACK_AFTER)
        yield Troubled(name, endpoint, proxy)
