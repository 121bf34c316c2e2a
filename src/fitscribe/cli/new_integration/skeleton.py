"""The skeleton of an integration's package: what it is called, and its files from the templates beside this module."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from string import Template

from fitscribe.cli.new_integration.naming import Names, named
from fitscribe.errors import MisuseError

__all__ = ["written"]

FILES = {
    "pyproject": "pyproject.toml",
    "readme": "README.md",
    "gitignore": ".gitignore",
    "integration": "src/{names.module}/__init__.py",
    "tests": "tests/test_{names.name}.py",
    "framework": "tests/stand_in/{names.name}.py",
    "metadata": "tests/stand_in/{names.info}/METADATA",
}
"""Each template, and where its text goes."""


def written(name: str, folder: Path) -> Iterator[Path]:
    """Write the skeleton for the framework `name` into a folder, and yield each file's path.

    `MisuseError`: the name will not do, a file is there already (nothing is written then), or the disk takes none.
    """
    names = named(name)
    texts = {folder / place.format(names=names): _text(template, names) for template, place in FILES.items()}
    if there := [str(path) for path in texts if path.exists()]:
        raise MisuseError(f"nothing was written, for this is there already: {', '.join(there)}; give another --folder")
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise MisuseError(f"cannot write {path}: {error.strerror or error}") from None
        yield path


def _text(template: str, names: Names) -> str:
    source = importlib.resources.files(__package__).joinpath("texts", f"{template}.txt")
    return Template(source.read_text(encoding="utf-8")).substitute(names._asdict())
