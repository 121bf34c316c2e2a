"""Ranks: of the processes that train one model together, rank zero makes the runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from fitscribe.config import settings
from fitscribe.guard import inform, log, quietly, warn_once

__all__ = ["Rank", "aside", "here", "rank_in"]


class Rank(NamedTuple):
    """Which one of how many processes this is, and which variable says so; a world of 1 is a process of its own."""

    rank: int = 0
    world: int = 1
    source: str = ""


ALONE = Rank()

# what launchers set; the first that knows both numbers is believed, since one launcher may start another
_PAIRS = (
    ("RANK", "WORLD_SIZE"),  # torchrun, accelerate, deepspeed, MosaicML
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # mpirun of Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # mpirun of MPICH and Intel MPI
    ("SLURM_PROCID", "SLURM_NTASKS"),  # srun
)
_VAGUE = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}  # they may start tasks that know nothing of each other
_said = False


def here() -> Rank:
    """Return the rank of this process as it stands now: launchers and scripts may set it late."""
    torch = sys.modules.get("torch.distributed")
    if torch is not None and (found := quietly(_of_torch, torch, default=ALONE)) is not ALONE:
        return found
    return rank_in(os.environ)


def _of_torch(torch: Any) -> Rank:
    """Ask a process group that is there already: of processes that torch.multiprocessing starts, it alone knows."""
    if not (torch.is_available() and torch.is_initialized()):
        return ALONE
    return Rank(int(torch.get_rank()), int(torch.get_world_size()), "torch.distributed")


def rank_in(environment: Mapping[str, str]) -> Rank:
    """Return the rank that an environment tells of, or that of a process of its own."""
    for rank, world in _PAIRS:
        place = _number(environment, rank)
        if place is not None and (count := _number(environment, world)) is not None:
            return Rank(place, count, rank)
        if rank == "RANK" and "LOCAL_RANK" in environment:  # Lightning's own launcher sets no RANK
            return _of_node(environment)
    return quietly(_of_cluster, environment["TF_CONFIG"], default=ALONE) if "TF_CONFIG" in environment else ALONE


def _of_node(environment: Mapping[str, str]) -> Rank:
    place, node = _number(environment, "LOCAL_RANK") or 0, _number(environment, "NODE_RANK") or 0
    rank = place if not node else max(place, node)  # not the exact number, which nobody needs; zero is exact
    return Rank(rank, _number(environment, "WORLD_SIZE") or rank + 1, "LOCAL_RANK")


def _of_cluster(config: str) -> Rank:
    """Read TF_CONFIG: the chief is rank zero, or where there is none, the first worker."""
    import json

    told = json.loads(config)
    task, cluster = told["task"], told["cluster"]
    kinds = [kind for kind in ("chief", "master", "worker") if cluster.get(kind)]
    if task["type"] not in kinds:  # a parameter server or evaluator
        return Rank(1, 2, "TF_CONFIG")
    before = sum(len(cluster[kind]) for kind in kinds[: kinds.index(task["type"])])
    return Rank(before + int(task["index"]), sum(len(cluster[kind]) for kind in kinds), "TF_CONFIG")


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    return int(text) if text is not None and text.strip().isdecimal() else None


def aside(told_here: Rank = ALONE) -> bool:
    """True when another process makes the runs that begin here; says so, once.

    A framework may have `told_here` which rank this is; one that is alone for it is asked of the launcher. False for
    one that is to be attached to a run: it was told which.
    """
    place = told_here if told_here.world > 1 else here()
    if place.world < 2 or place.rank == 0:
        return False
    told = settings()
    if told.ranks == "all" or told.run_id:
        return False
    if told.ranks != "zero":
        warn_once("FITSCRIBE_RANKS=%r is neither `zero` nor `all`; it is taken as `zero`", told.ranks)
    _say(place)
    return True


def _say(place: Rank) -> None:
    global _said
    if _said:
        return
    _said = True
    words = "this is rank %d of %d (%s): rank 0 records the runs; set FITSCRIBE_RANKS=all where each rank is to"
    if place.source not in _VAGUE or "MASTER_ADDR" in os.environ:
        inform(words, place.rank, place.world, place.source)
    elif place.rank == 1:  # one voice for all of them
        log().warning(f"{words}, as for tasks that do not train together", place.rank, place.world, place.source)
