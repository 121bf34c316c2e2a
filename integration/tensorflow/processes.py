"""What the tests of several devices and of several processes have in common."""

from __future__ import annotations

import os
import socket

from fitscribe.testing.endpoint import Endpoint


def environment(uri: str, **more: str) -> dict[str, str]:
    return {**os.environ, "MLFLOW_TRACKING_URI": uri, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **more}


def runs_by_name(endpoint: Endpoint):
    return {run.run_name: run for run in endpoint.ledger.runs.values()}


def models_of(endpoint: Endpoint):
    return [path for path in endpoint.paths() if path == "POST logged-models"]


def free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    for each in with_ports:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in with_ports]
    for each in with_ports:
        each.close()
    return ports
