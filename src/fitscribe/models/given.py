"""Requirements and environments that a user gave: lists, requirements files, conda environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fitscribe.errors import MisuseError

__all__ = ["Given", "conda_given", "given_requirements"]

DEEPEST = 8  # files that name files


class Given(NamedTuple):
    """The lines of a requirements file, and those of its constraints."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


def given_requirements(given: Iterable[str] | str | Path) -> Given:
    """Read a list of requirements or a requirements file's path; `-r` and `-c` are followed, for nobody else has them.

    `MisuseError`: a file that cannot be read, or what is no list of texts.
    """
    if isinstance(given, (str, Path)):
        found = list(_of_file(Path(given), False, 0))
    else:
        lines = list(given) if isinstance(given, Iterable) else [None]
        if not all(isinstance(line, str) for line in lines):
            raise MisuseError(f"pip requirements are a list of texts or a file's path, not {given!r:.80}")
        found = list(_of_lines([str(line) for line in lines], Path(), False, 0))
    return Given(*(tuple(dict.fromkeys(line for line, kind in found if kind is each)) for each in (False, True)))


def _of_file(file: Path, constraint: bool, depth: int) -> Iterator[tuple[str, bool]]:
    if depth > DEEPEST:
        raise MisuseError(f"the requirements file {str(file)!r} names files that name each other")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise MisuseError(f"cannot read the requirements file {str(file)!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise MisuseError(f"the requirements file {str(file)!r} is no UTF-8 text: {error.reason}") from None
    yield from _of_lines(lines, file.parent, constraint, depth)


def _of_lines(lines: list[str], here: Path, constraint: bool, depth: int) -> Iterator[tuple[str, bool]]:
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        words = line.partition(" #")[0].strip()
        if not words or words.startswith("#"):
            continue
        for names, limits in ((("-r", "--requirement"), constraint), (("-c", "--constraint"), True)):
            option = next((name for name in names if words.startswith((f"{name} ", f"{name}="))), None)
            if option:
                yield from _of_file(here / words[len(option) + 1 :].strip(), limits, depth + 1)
                break
        else:
            yield words, constraint


def conda_given(given: Any) -> tuple[dict[str, Any], Given]:
    """Read a conda environment, as a dict or as a YAML file's path: what is in it beside pip's part, and that part.

    `MisuseError`: it cannot be read, or is none.
    """
    import yaml

    found = given
    if isinstance(given, (str, Path)):
        try:
            found = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
        except OSError as error:
            raise MisuseError(f"cannot read the conda environment {str(given)!r}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MisuseError(f"the conda environment {str(given)!r} is no YAML: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("dependencies", []), list):
        raise MisuseError(
            f"conda_env={given!r:.80} is no conda environment: a dict, or a YAML file, with `dependencies`"
        )
    dependencies = found.get("dependencies", [])
    pip = [line for one in dependencies if isinstance(one, dict) for line in one.get("pip") or ()]
    rest = [one for one in dependencies if not (isinstance(one, dict) and "pip" in one)]
    return {**found, "dependencies": rest}, given_requirements(pip)
