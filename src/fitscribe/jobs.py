"""Jobs: what a scheduler calls this job, so that one which is started again goes on with its runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping

from fitscribe import ranks
from fitscribe.config import settings
from fitscribe.guard import warn_once

__all__ = ["child_id", "key_in", "resumes", "top_id"]

# variables that stay the same when a scheduler starts a job again; those behind the first tell tasks apart
_SCHEDULERS = (
    ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"),
    ("LSB_JOBID", "LSB_JOBINDEX"),
    ("PBS_JOBID",),
    ("JOB_ID", "SGE_TASK_ID"),
    ("AWS_BATCH_JOB_ID",),
    ("TRAINING_JOB_NAME",),
    ("TORCHELASTIC_RUN_ID",),
)

_process = os.getpid()
_counting = threading.Lock()
_counts: dict[str, int] = {}


def key_in(environment: Mapping[str, str]) -> str:
    """Return what tells the job that an environment belongs to from all others, or ""."""
    for first, *others in _SCHEDULERS:
        value = environment.get(first, "")
        if not value or value == "none":  # torchrun's word for no name
            continue
        if first == "JOB_ID" and "SGE_TASK_ID" not in environment:
            continue  # too common a name for a scheduler's alone
        return "\n".join(f"{name}={environment[name]}" for name in (first, *others) if environment.get(name))
    return ""


def resumes() -> bool:
    """True when runs of this process are to go on where an earlier process of the same job left them.

    Not in the workers of a process that does so: all of them would go on with the same run.
    """
    if settings().resume != "auto":
        if settings().resume:
            warn_once("FITSCRIBE_RESUME=%r is not `auto`, and is ignored", settings().resume)
        return False
    if not _key():
        warn_once(
            "FITSCRIBE_RESUME=auto, but no scheduler says which job this is; the run is a new one "
            "(FITSCRIBE_JOB_ID can name the job)"
        )
        return False
    processes = sys.modules.get("multiprocessing.process")
    return os.getpid() == _process and (processes is None or processes.parent_process() is None)


def _key() -> str:
    """Return the job's key; without a name by its user, the script's arguments are part of it.

    A job may run one script several times, with one learning rate after the other.
    """
    if named := settings().job_id:
        return f"FITSCRIBE_JOB_ID={named}"
    found = key_in(os.environ)
    return "\0".join([found, *sys.argv[1:]]) if found else ""


def top_id(to: str, experiment: str) -> str:
    """Return the id of the next run of this process that has no parent."""
    rank = str(ranks.here().rank) if settings().ranks == "all" else ""
    script = os.path.basename(sys.argv[0]) if sys.argv else ""
    return _numbered("\0".join([_key(), rank, to, experiment, script]))


def child_id(parent: str, name: str) -> str:
    """Return the id of the next run of that name below the run `parent`."""
    return _numbered(f"{parent}\0{name}")


def _numbered(words: str) -> str:
    import hashlib

    with _counting:
        count = _counts[words] = _counts.get(words, 0) + 1
    return hashlib.sha256(f"{words}\0{count}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
