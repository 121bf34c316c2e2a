"""Trust: whether a model whose files run code when they are loaded may do so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fitscribe.config import settings
from fitscribe.errors import MisuseError, UntrustedModel
from fitscribe.models import archives, soundness
from fitscribe.models.copies import copied, digest_of, original, ours_alone
from fitscribe.models.inside import inside, listing
from fitscribe.models.signing import (
    ABOUT,
    SIGNATURE,
    digests_of,
    fingerprint,
    fingerprint_of,
    sign,
    some,
    unsigned_because,
    verified,
)

__all__ = ["SIGNATURE", "check", "check_file", "fingerprint", "sign", "steady", "unsigned_because"]

PICKLES = (".cloudpickle", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")


def steady(folder: Path, trust: bool | str | Iterable[str] | None = None) -> Path:
    """Return a model's folder, or a copy of it where others than this user could change it while it is looked at.

    What is read there, checked there and loaded from there is the same thing. Who trusts the model anyhow gets the
    folder itself. `MisuseError`: it cannot be copied, for want of space or because of what lies in it.
    """
    if not folder.is_dir() or _said(trust) is True:
        return folder
    there = listing(folder)
    if ours_alone(folder, there.values()):
        return folder.resolve()
    return copied(folder, there, (), there)[0]


def check(
    folder: Path, content: Mapping[str, Any], files: Sequence[str], trust: bool | str | Iterable[str] | None = None
) -> Path:
    """Return the folder to load a model from, when `files`, which would run code, may do so.

    They may when one of this user's keys has signed the model as it lies there, or when `trust` says so (True, or
    `sha256:...` of this very content; None: FITSCRIBE_TRUST_MODELS says). What was looked at is what is loaded: from a
    folder that others can write to, the model is copied first, to one of our own that lasts as long as the process.
    `UntrustedModel`: they may not; it says which, why, and how to go on. `MisuseError`: names that leave the folder, an
    archive that unpacks into far too much.
    """
    for name in files:
        inside(folder, name)
    files = sorted(
        {*files, *(one for one in _code(folder, content) if not any(name.startswith(one) for name in files))}
    )
    trusted = _said(trust)
    _forbid(folder, files)
    if trusted is True:
        return folder
    if not files:
        for name in listing(folder):
            if name.endswith(archives.ARCHIVES):
                archives.check(folder / name)
        return folder
    if trusted:
        place, digests = digests_of(folder, None)
        found = fingerprint_of(content, digests)
        if found in trusted:
            return place
        raise _refused(folder, files, f"it is {found}, which is not the one that trust names", "")
    uncovered = ABOUT.intersection(files) - {"MLmodel"}  # of which the flavors count, and those are signed
    place, why = (folder, "no signature covers a file of that name") if uncovered else verified(folder, content)
    if why:
        raise _refused(folder, files, why, fingerprint(folder, content) if _small(folder) else "")
    return place


def check_file(file: Path, runs_code: Callable[[Path], bool], trust: bool | str | Iterable[str] | None = None) -> Path:
    """Return where to read a file that is no model directory, so that no signature vouches for it.

    It may be read when `runs_code(file)` is false or `trust` says so (`sha256:...` is that of the file). Where others
    can write, that is a copy, of which the answer holds. `UntrustedModel`: it would run code.
    """
    trusted = _said(trust)
    if trusted is True:
        return file
    if not ours_alone(file.parent, [file]):
        file = copied(file.parent, {file.name: file}, (), [file.name])[0] / file.name
    if not runs_code(file):
        return file
    found = f"sha256:{digest_of(file)}"
    if not trusted or found not in trusted:
        raise _refused(file.parent, [file.name], "no signature vouches for a file alone", found)
    return file


def _forbid(folder: Path, files: Iterable[str]) -> None:
    """Raise `MisuseError` where MLflow's variable says that no pickle is loaded, whoever trusts it."""
    said = os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").strip().lower()
    pickles = [name for name in files if name.endswith(PICKLES)]
    if pickles and said in ("false", "0"):
        where = str(original(folder) / pickles[0])
        raise MisuseError(f"{where!r} is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids loading those")


def _code(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the code that any of the flavors brings along: it runs as soon as something imports it."""
    confs = [conf for conf in content.get("flavors", {}).values() if isinstance(conf, dict)]
    found = []
    for name in {str(conf["code"]) for conf in confs if conf.get("code")}:
        place = inside(folder, name)
        found += [f"{name.rstrip('/')}/"] if place.is_dir() else [name]
    return found


def _said(trust: bool | str | Iterable[str] | None) -> bool | frozenset[str]:
    """Return what the caller, or else the setting, says."""
    said: Any = settings().trust_models if trust is None else trust
    if isinstance(said, bool):
        return said
    if isinstance(said, str):
        if said.strip().lower() in ("", "0", "false", "no"):
            return False
        if trust is None and said.strip().lower() in ("1", "true", "yes"):
            return True
        said = said.split(",")
    names = frozenset(str(each).strip() for each in said)
    for each in names:
        if not each.startswith("sha256:"):
            where = "FITSCRIBE_TRUST_MODELS" if trust is None else "trust"
            raise MisuseError(f"{where} names {each!r}; write True, or the sha256:... of a model that an error showed")
    return names or False


def _small(folder: Path) -> bool:
    """Whether an error may read the whole model to show its digest: up to 500 MB."""
    return sum(file.stat().st_size for file in listing(folder).values()) <= 500_000_000


def _refused(folder: Path, files: Sequence[str], why: str, found: str) -> UntrustedModel:
    only = f" (or trust={found!r}: this content alone)" if found else ""
    code = some(files) + soundness.doubts(files)
    return UntrustedModel(
        f"the model in {str(original(folder))!r} is not loaded: that would run code from {code}, and {why}. If you "
        f"trust who made it, load it with trust=True{only}, or set FITSCRIBE_TRUST_MODELS=true. What you log is "
        "signed with a key of yours; a team shares one as FITSCRIBE_MODEL_KEY"
    )
