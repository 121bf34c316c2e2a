"""Frameworks and the packages that record them, as an installer leaves them on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fitscribe
from fitscribe import delivery, discovery

PLUGIN = """
from fitscribe import Integration
integration = Integration("{name}", requires="{requires}", options={{"every": 1}})

@integration.around("{name}:train")
def train(call):
    with call.run("{name}") as run:
        yield
        run.log_metrics({{"every": call.options["every"]}})
"""


class Site:
    """A folder on the path; called, it gets a framework and the plugin of a third party for it."""

    PLUGIN = PLUGIN

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, []

    def __call__(self, name, *, requires="pytest", plugin=PLUGIN, framework="def train(): return 'trained'\n"):
        self.module(name, framework)
        self.module(f"{name}_scribe", plugin.format(name=name, requires=requires))
        self.distribution(f"{name}-scribe", {name: f"{name}_scribe:integration"})

    def module(self, name: str, content: str) -> None:
        (self.folder / f"{name}.py").write_text(content)
        self.names.append(name)

    def distribution(self, name: str, entries: dict[str, str] | str, version: str = "1.0") -> Path:
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = entries if isinstance(entries, str) else "\n".join(f"{key} = {at}" for key, at in entries.items())
        (info / "entry_points.txt").write_text(f"[fitscribe.integrations]\n{lines}\n")
        return info


@pytest.fixture
def install(tmp_path) -> Iterator[Callable[..., None]]:
    """Install frameworks and third parties' integrations for them."""
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    with pytest.MonkeyPatch.context() as patch:  # undone before other fixtures look at what is installed
        patch.syspath_prepend(folder)
        patch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        for name, empty in {"_entries": None, "_loaded": {}, "_broken": set()}.items():
            patch.setattr(discovery, name, empty)
        yield site
        discovery.disable()
    for name in site.names:
        sys.modules.pop(name, None)
        sys.modules.pop(f"fitscribe.{name}", None)
        vars(fitscribe).pop(name, None)
