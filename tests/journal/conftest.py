from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe import source
from fitscribe.dialects import dialect_for
from fitscribe.shipping import letters
from fitscribe.shipping.shipper import Shipper
from fitscribe.testing.endpoint import Endpoint


@pytest.fixture(autouse=True)
def no_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run as a script would that lies in no repository; the repository has tests of its own."""
    (tmp_path / "train.py").touch()
    monkeypatch.setattr("sys.argv", [str(tmp_path / "train.py")])
    source._here.clear()
    letters._said.clear()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as served:
        yield served


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / ".fitscribe" / "journal"


@pytest.fixture
def shipper(journal: Path) -> Iterator[Shipper]:
    opened = Shipper(journal, dialect_for)
    yield opened
    opened.close()


@pytest.fixture
def files(journal: Path) -> Callable[[], list[str]]:
    """Names of the files in the journal's folder, without what differs from process to process."""
    return lambda: sorted(
        each.name if "-" not in each.name else each.suffix for each in journal.rglob("*") if each.is_file()
    )
