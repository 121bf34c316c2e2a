"""fitscribe.data: datasets for `log_input`, described by digest, schema and shape; the data itself is not kept."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fitscribe.errors import MisuseError

__all__ = ["Dataset", "from_numpy", "from_pandas", "from_polars"]


class Dataset(NamedTuple):
    """A dataset as the protocol knows it; schema and profile are JSON text."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str

    def to_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return self._asdict()


def from_pandas(
    df: Any, source: Any = None, targets: str | None = None, name: str | None = None, digest: str | None = None
) -> Dataset:
    """Describe a pandas DataFrame; `source` says where it came from (a path, a URL), `targets` names its label column.

    `MisuseError`: it has no such column.
    """
    if targets is not None and targets not in df.columns:
        raise MisuseError(f"the data frame has no column {targets!r} for targets; it has {list(df.columns)[:20]}")
    return _described(df, None, source, name, digest)


def from_polars(
    df: Any, source: Any = None, targets: str | None = None, name: str | None = None, digest: str | None = None
) -> Dataset:
    """Describe a polars DataFrame; see `from_pandas`."""
    return from_pandas(df, source, targets, name, digest)


def from_numpy(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> Dataset:
    """Describe arrays of features and, if there are any, targets."""
    return _described(features, targets, source, name, digest)


def _described(features: Any, targets: Any, source: Any, name: str | None, digest: str | None) -> Dataset:
    from fitscribe.models import datasets

    facts = datasets.describe(features, targets)
    if facts is None:
        raise MisuseError(f"a {type(features).__name__} is no dataset that can be described: give a frame or an array")
    where = str(source or "")
    kind = "http" if where.startswith(("http://", "https://")) else "local" if where else "code"
    words: dict[str, object] = {"url": where} if kind == "http" else {"uri": where} if where else {"tags": {}}
    return Dataset(
        name=name or "dataset",
        digest=digest or facts["digest"],
        source_type=kind,
        source=json.dumps(words),
        schema=facts["schema"],
        profile=facts["profile"],
    )
