"""Checks in fresh processes: the framework before `autolog()` and after, real delivery, no endpoint, and pickles."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pickle
import pickletools
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import outcome
from fitscribe.installed import GROUP
from fitscribe.integration import Integration
from fitscribe.testing.contract import child
from fitscribe.testing.contract.scene import NotTried, Scene, promise

__all__ = ["CHECKS", "PATIENT", "Fresh", "closed_port"]

LEAVING = 300.0  # seconds beside those of the training: for imports, and for what is delivered at exit
PATIENT = {"FITSCRIBE_EXIT_PATIENCE": "60", "FITSCRIBE_EXIT_TIMEOUT": "120"}
"""For what is delivered to a store that always answers: a busy machine must not look like one that does not."""
SITE = """
import __main__
integration = __main__.module_of({module!r}, {file!r}).{name}
"""


class Fresh:
    """Two processes that train beside the other checks, each begun once; `of(order)` waits for what it told."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Write down what the processes need; `MisuseError`: they could not find `use` or the integration."""
        self.scene, self.folder = scene, folder
        self.site = folder / "site"
        self.site.mkdir()
        self.use = _place(scene.use)
        self.pickles = self._pickled()
        _installed(scene.integration, self.site)
        self.begun: dict[str, tuple[subprocess.Popen[str], float]] = {}
        self.done: dict[str, dict[str, Any]] = {}

    def _pickled(self) -> dict[str, str]:
        """Pickle the results of trainings without us and with us, where the one without can be."""
        files = {}
        for kind, result in (("without", self.scene.plain), ("with", self.scene.watched)):
            content = outcome(pickle.dumps, result)
            if not isinstance(content, bytes):
                return {}
            files[kind] = str(self.folder / f"{kind}.pickle")
            Path(files[kind]).write_bytes(content)
        return files

    def begin(self, order: str, **environment: str) -> None:
        """Start a process that imports the framework before `autolog()` ("framework first") or after."""
        folder = self.folder / order.replace(" ", "-")
        folder.mkdir()
        told = {"result": str(folder / "result.pickle"), "told": str(folder / "told.json")}
        plan = {
            "path": [str(self.site), *(os.path.abspath(each) for each in sys.path)],
            "use": self.use,
            "order": order,
            "tops": sorted(self.scene.tops & sys.modules.keys()),
            "pickles": self.pickles if order == "framework first" else {},
            **told,
        }
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-P", child.__file__, str(folder / "plan.json")],
            cwd=folder,
            env={**os.environ, "FITSCRIBE_DIR": str(folder / ".fitscribe"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.begun[order] = process, time.monotonic()

    def of(self, order: str) -> dict[str, Any]:
        """Return what a process told, with its exit status, its words on stderr and its result."""
        if order not in self.done:
            process, began = self.begun[order]
            left = self.scene.seconds + LEAVING - (time.monotonic() - began)
            try:
                said = process.communicate(timeout=max(1.0, left))[1]
            except subprocess.TimeoutExpired:
                process.kill()
                said = process.communicate()[1] + "\nit was killed: it did not end in time"
            self.done[order] = {"status": process.returncode, "said": said[-20_000:], **self._told(order)}
        return self.done[order]

    def _told(self, order: str) -> dict[str, Any]:
        folder = self.folder / order.replace(" ", "-")
        if not (folder / "told.json").exists():
            return {}
        result = outcome(pickle.loads, (folder / "result.pickle").read_bytes())
        told: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        return {**told, "result": result}

    def close(self) -> None:
        """End what still runs."""
        for process, _ in self.begun.values():
            if process.poll() is None:
                process.kill()
            process.communicate()


def _place(use: Callable[[], Any]) -> dict[str, str]:
    """Return where a fresh process finds a function."""
    module, path = getattr(use, "__module__", ""), getattr(use, "__qualname__", "<unnamed>")
    file = getattr(sys.modules.get(module), "__file__", None)
    if "<" in path or not file:
        raise MisuseError(
            f"use={path} cannot be found by a fresh process: write it at the top level of a file, or leave these "
            "checks out with skip={'fresh_processes': why}"
        )
    return {"module": module, "path": path, "file": os.path.abspath(file)}


def _installed(integration: Integration, site: Path) -> None:
    """See that a fresh process finds the integration by an entry point: its package's, or one that is made here."""
    for point in importlib.metadata.entry_points(group=GROUP, name=integration.name):
        module = sys.modules.get(point.module)
        if module is not None and getattr(module, point.attr, None) is integration:
            return
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is integration and getattr(module, "__file__", None):
                _entry(integration.name, module.__name__, os.path.abspath(str(module.__file__)), name, site)
                return
    raise MisuseError(f"no module holds the integration for {integration.name}; write it at the top level of a file")


def _entry(framework: str, module: str, file: str, name: str, site: Path) -> None:
    """Leave in `site` what an installer leaves."""
    shim = SITE.format(module=module, file=file, name=name)
    (site / "fitscribe_contract_entry.py").write_text(shim, encoding="utf-8")
    info = site / "fitscribe_contract_entry-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fitscribe-contract-entry\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{framework} = fitscribe_contract_entry:integration\n")


def closed_port() -> int:
    """Return a port on loopback that nobody listens to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def autolog_first(scene: Scene, fresh: Fresh) -> None:
    """In a fresh process, `autolog()` before the framework is imported: recorded, and in the store at its end."""
    told = _went_well(scene, fresh, "autolog first")
    promise(told["recorded"], "the framework was imported after autolog(), and no run was recorded")
    from fitscribe.testing.stored import Stored

    stored = Stored((fresh.folder / "autolog-first" / ".fitscribe").as_uri())
    runs = stored.runs()
    promise(len(runs) == len(scene.alone), f"the store has {len(runs)} runs and not {len(scene.alone)}")
    for run in runs:
        promise(stored.status(run) == "FINISHED", f"in the store {run.info.run_name!r} is {stored.status(run)}")
    found, alone = sorted(sorted(run.data.params) for run in runs), sorted(list(run.params) for run in scene.alone)
    promise(found == alone, f"the params in the store are {found}, not {alone}")


def framework_first(scene: Scene, fresh: Fresh) -> None:
    """In a fresh process, the framework imported before `autolog()`: recorded as well."""
    told = _went_well(scene, fresh, "framework first")
    promise(
        told["recorded"],
        "the framework was imported before autolog(), and no run was recorded; a function that `use` has imported by "
        "name before is not seen by a target `module:function`: watch a method, or `module:function>variable`",
    )


def dead_endpoint(scene: Scene, fresh: Fresh) -> None:
    """Where the endpoint is not there, training and process end as without us, and what was said is kept."""
    told = _went_well(scene, fresh, "framework first")
    promise(told["seconds"] < scene.seconds, f"with an endpoint that is not there it took {told['seconds']:.0f} s")
    kept = list((fresh.folder / "framework-first" / ".fitscribe" / "journal").glob("*"))
    promise(kept, "with an endpoint that is not there nothing was kept to be sent later")


def pickled(scene: Scene, fresh: Fresh) -> None:
    """What a training made while it was watched is pickled as without us, and read where fitscribe is not imported."""
    if not fresh.pickles:
        raise NotTried("what `use` returns cannot be pickled, without us as well")
    named = {kind: _modules_in(Path(file).read_bytes()) for kind, file in fresh.pickles.items()}
    ours = sorted(name for name in named["with"] - named["without"] if name.partition(".")[0] == "fitscribe")
    promise(not ours, f"the pickled result refers to {', '.join(ours)}")
    told = fresh.of("framework first").get("pickles", {})
    if told and not told["without"]:
        promise(not told["with"], f"read in a fresh process, the pickled result gives: {told['with']}")


def _modules_in(content: bytes) -> set[str]:
    """Return what could be the names of modules in a pickle: all its strings."""
    return {
        str(argument).partition(" ")[0] for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)
    }


def _went_well(scene: Scene, fresh: Fresh, order: str) -> dict[str, Any]:
    told = fresh.of(order)
    promise(told["status"] == 0 and "result" in told, f"the process failed ({told['status']}): {told['said']}")
    promise("training goes on without it" not in told["said"], f"an error was swallowed: {told['said']}")
    if isinstance(told["result"], Exception):
        raise AssertionError(f"the result cannot be read here: {told['result']!r}")
    scene.compare(told["result"], f"in a fresh process, {order}")
    return told


CHECKS = (autolog_first, framework_first, dead_endpoint, pickled)
