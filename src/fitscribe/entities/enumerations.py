"""The protocol's words that go by numbers: view types, states of a run, kinds of source."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from fitscribe.errors import MisuseError

__all__ = ["LifecycleStage", "LoggedModelStatus", "RunStatus", "SourceType", "ViewType"]


class Words:
    """Numbers that go by names."""

    _names: ClassVar[dict[int, str]]

    @classmethod
    def to_string(cls, number: int) -> str:
        """Return the name of a number. `MisuseError`: it has none."""
        if number not in cls._names:
            raise MisuseError(f"{cls.__name__} has no {number!r}; it has {cls._names}")
        return cls._names[number]

    @classmethod
    def from_string(cls, name: str) -> int:
        """Return the number of a name. `MisuseError`: there is no such name."""
        for number, known in cls._names.items():
            if known == name:
                return number
        raise MisuseError(f"{cls.__name__} has no {name!r}; it has {', '.join(cls._names.values())}")


class ViewType(Words):
    """Which of deleted and active things a search looks at."""

    ACTIVE_ONLY, DELETED_ONLY, ALL = 1, 2, 3
    _names: ClassVar = {1: "active_only", 2: "deleted_only", 3: "all"}


class RunStatus(Words):
    """The states of a run."""

    RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = 1, 2, 3, 4, 5
    _names: ClassVar = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}

    @classmethod
    def is_terminated(cls, status: int) -> bool:
        """Whether a run in this state is over."""
        return status in (cls.FINISHED, cls.FAILED, cls.KILLED)

    @classmethod
    def all_status(cls) -> list[int]:
        """Return every state."""
        return list(cls._names)


class SourceType(Words):
    """What kind of program a run comes from."""

    NOTEBOOK, JOB, PROJECT, LOCAL, UNKNOWN = 1, 2, 3, 4, 5
    _names: ClassVar = {1: "NOTEBOOK", 2: "JOB", 3: "PROJECT", 4: "LOCAL", 5: "UNKNOWN"}


class LifecycleStage:
    """Whether a run or an experiment is there or was deleted."""

    ACTIVE = "active"
    DELETED = "deleted"


class LoggedModelStatus(StrEnum):
    """How far a model is; equal to its text, such as "READY"."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "UPLOAD_FAILED"

    @staticmethod
    def is_finalized(status: LoggedModelStatus) -> bool:
        """True when nothing more will come: it is ready, or failed."""
        return status in (LoggedModelStatus.READY, LoggedModelStatus.FAILED)
