from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.dialects import Address, AddressBook, Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.records import Record
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

RUN = "a" * 32


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as served:
        yield served


@pytest.fixture
def mlflow(endpoint: Endpoint) -> Iterator[MLflow]:
    opened = MLflow(Http(endpoint.uri), endpoint.uri)
    yield opened
    opened.close()


@pytest.fixture
def book(endpoint: Endpoint) -> AddressBook:
    return AddressBook([Address(RUN, endpoint.uri)])


@pytest.fixture
def parcel(endpoint: Endpoint, book: AddressBook, tmp_path: Path) -> Callable[..., Parcel]:
    def packed(*records: Record, run: str = RUN) -> Parcel:
        return Parcel(run, endpoint.uri, records, book, [tmp_path])

    return packed
