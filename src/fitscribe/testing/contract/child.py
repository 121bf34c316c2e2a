"""What a fresh process does for the contract; run as a script, with a plan as JSON.

Nothing of fitscribe is imported here before the plan says so: what was pickled has to be read without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def module_of(name: str, file: str) -> ModuleType:
    """Import a module as it was imported in the process that asks: by its name, or from its file under that name."""
    if name not in sys.modules:
        spec = importlib.util.find_spec(name) if name.partition(".")[0] != "__main__" else None
        if spec is None or spec.origin != file:
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
    return importlib.import_module(name)


def read(plan: dict[str, Any]) -> dict[str, str]:
    """Read what was pickled without autologging and with it; say what went wrong, or which modules of ours came."""
    found = {}
    for kind, file in plan["pickles"].items():
        try:
            pickle.loads(Path(file).read_bytes())
            found[kind] = " ".join(name for name in sys.modules if name.partition(".")[0] == "fitscribe")
        except (AttributeError, ImportError, LookupError, TypeError, ValueError, pickle.PickleError) as error:
            found[kind] = repr(error)
    return found


def main(plan: dict[str, Any]) -> None:
    """Read pickles; import the framework before `autolog()` or after; train; tell what came of it."""
    sys.path[:] = plan["path"]
    told: dict[str, Any] = {"pickles": read(plan)}
    name, file = plan["use"]["module"], plan["use"]["file"]
    if plan["order"] == "framework first":
        for top in plan["tops"]:
            importlib.import_module(top)
        module_of(name, file)
    import fitscribe

    fitscribe.autolog()
    use: Any = module_of(name, file)
    for step in plan["use"]["path"].split("."):
        use = getattr(use, step)
    from fitscribe.testing.contract.scene import seed

    seed()
    began = time.monotonic()
    result = use()
    told["seconds"] = time.monotonic() - began
    from fitscribe.current import last_entered

    told["recorded"] = last_entered() is not None
    Path(plan["result"]).write_bytes(pickle.dumps(result))
    Path(plan["told"]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
