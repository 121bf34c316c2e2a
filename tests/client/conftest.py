"""A transport that answers from a list, and an end without open connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fitscribe.client import Client
from fitscribe.reading import backlog, endpoint
from fitscribe.transport import Answer


class Scripted:
    """Answers in order, and keeps what was sent; an error in the list is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, Any]] = []

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        self.sent.append((method, path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.answers.clear()


@pytest.fixture
def scripted() -> Callable[..., tuple[Client, Scripted]]:
    """`client, transport = scripted(answers...)`; a dict stands for a 200 with this body."""

    def made(*answers: Any) -> tuple[Client, Scripted]:
        transport = Scripted(*(Answer(200, one) if isinstance(one, dict) else one for one in answers))
        return Client("http://tracking.test", transport=transport), transport

    return made


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    """Nothing is to be delivered before a read unless a test says so; close what reads opened."""
    before = backlog.connect(None)
    yield
    backlog.connect(before)
    endpoint.close_transports()
