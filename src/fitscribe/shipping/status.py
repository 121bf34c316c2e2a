"""Status: how far delivery is, and what it has cost so far."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fitscribe import overhead
from fitscribe.shipping.lifetime import Lifetime

__all__ = ["DeliveryStatus", "status_of"]


class DeliveryStatus(msgspec.Struct, frozen=True):
    """The account of this process. Requests and bytes are of all endpoints together, the embedded store's too."""

    records: int = 0  # written to the journal
    bytes: int = 0  # of them
    pending: int = 0  # records that no endpoint has yet
    set_aside: int = 0  # records that an endpoint refused for good: see `fitscribe sync --dead-letters`
    lost: int = 0  # records that neither disk nor memory took
    requests: int = 0
    sent: int = 0  # bytes of requests' bodies
    received: int = 0  # bytes of answers' bodies
    retries: int = 0  # rounds in which an endpoint did not take everything
    trouble: str = ""  # what is wrong now; empty when all is well
    overhead_ms: float = 0.0  # milliseconds that this process's own threads have spent in fitscribe
    journal: str = ""  # the folder where records wait


def status_of(lives: list[Lifetime], folder: Path) -> DeliveryStatus:
    """Add up the lives of a process's journal, the last of which is the one that goes on, if any does."""
    traffic = [life.delivery.traffic() for life in lives]
    return DeliveryStatus(
        records=sum(life.segments.count for life in lives),
        bytes=sum(life.segments.volume for life in lives),
        pending=sum(max(0, life.segments.count - life.settled) for life in lives),
        set_aside=sum(life.delivery.set_aside for life in lives),
        lost=sum(life.segments.lost for life in lives),
        requests=max((count[0] for count in traffic), default=0),
        sent=max((count[1] for count in traffic), default=0),
        received=max((count[2] for count in traffic), default=0),
        retries=sum(life.delivery.retries for life in lives),
        trouble=lives[-1].delivery.trouble if lives else "",
        overhead_ms=overhead.spent(),
        journal=str(lives[-1].segments.folder if lives else folder),
    )
