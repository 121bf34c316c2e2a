"""What a flavor tells of a model that it wrote: the one thing that every flavor and every road share."""

from __future__ import annotations

from typing import Any

import msgspec

from fitscribe.errors import MisuseError

__all__ = ["Written", "too_large"]


class Written(msgspec.Struct, frozen=True):
    """All that must be learned of a model while it is at hand; the rest may be written later, elsewhere.

    `flavors` stand as in MLmodel, `python_function` included, without its `env` and `python_version`; `files` are all
    that was written, relative to the folder, with forward slashes; `size` is theirs in bytes; `modules` are those that
    loading the model imports.
    """

    flavors: dict[str, Any]
    files: tuple[str, ...]
    size: int
    modules: tuple[str, ...] = ()


def too_large(limit: float) -> MisuseError:
    """Return the error for a model of more than `limit` bytes: it is in memory alone, so no file can stand for it."""
    return MisuseError(f"the model is larger than {limit / 1e6:g} MB; max_model_size=None records models of every size")
