"""Our own integrations keep the contract that third parties' have to keep, each with the real framework."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import pytest

from fitscribe import discovery
from fitscribe.testing import check_contract
from integration import contracts

DEEP = ("keras", "keras_tuner", "lightning", "pytorch_lightning", "tensorflow", "torch", "transformers")
FORKED = {"fork": "the threads of TensorFlow and PyTorch do not survive a fork; `test_forks.py` has what works"}
IMPORTS = {"fresh_processes": "imports TensorFlow for seconds; its own scripts are tested beside, and Keras's here"}
LATE = "a loop's run goes on after the call in which it began, and then ends with the process"
SUMMARIES = {"inside_a_run": "what `tf.summary` writes goes to the run that is active, each time"}
GIVEN: dict[str, dict[str, Any]] = {
    "keras": {"skip": FORKED, "trials": 5},
    "keras_tuner": {"skip": {**FORKED, **IMPORTS}, "trials": 5},
    "lightning": {"skip": FORKED, "trials": 5},
    # the same module as lightning's, for a package of another name
    "pytorch_lightning": {"only": ("same_result", "recorded", "undone", "users_error", "inside_a_run")},
    "tensorflow": {"skip": {**FORKED, **IMPORTS, **SUMMARIES, "words_fail": LATE, "hooks_fail": LATE}, "trials": 5},
    "torch": {"skip": {**FORKED, "words_fail": LATE}, "trials": 5},
    "transformers": {"skip": FORKED, "trials": 5},
    "xgboost": {"skip": {"fork": "OpenMP's threads do not survive a fork"}},
}
ELSEWHERE = ("ray",)  # needs a cluster, and has one in integration/ray


@pytest.mark.filterwarnings("ignore")  # of what frameworks use that is deprecated, whatever we do
@pytest.mark.parametrize("name", [name for name in discovery.names() if name not in ELSEWHERE])
def test_the_integration_keeps_the_contract(name):
    if name in DEEP and not find_spec(name):
        pytest.skip(f"{name} is not installed for this Python") if sys.version_info >= (3, 12) else pytest.fail(name)
    if name in DEEP and find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    check_contract(discovery.integration(name), getattr(contracts, name), **GIVEN.get(name, {}))
