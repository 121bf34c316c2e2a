"""Signatures of models: the digest of every file that loading may touch, and the flavors, under a key of this user.

The flavors say what is loaded and how. The rest of MLmodel is not covered, nor are the texts about the environment:
MLflow rewrites those, and nobody runs them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import warn_once
from fitscribe.models.copies import copied, digest_of, ours_alone
from fitscribe.models.inside import inside, listing
from fitscribe.models.keys import key_file, keys, own_key

__all__ = [
    "ABOUT",
    "SIGNATURE",
    "digests_of",
    "fingerprint",
    "fingerprint_of",
    "sign",
    "some",
    "unsigned_because",
    "verified",
]

SIGNATURE = "fitscribe_signature"  # the key in MLmodel
VERSION = 1
MOST = 10_000  # files; a model of more is not signed
ABOUT = {
    ".DS_Store",
    "MLmodel",
    "README.md",
    "conda.yaml",
    "constraints.txt",
    "input_example.json",
    "python_env.yaml",
    "registered_model_meta",
    "requirements.txt",
    "serving_input_example.json",
}
"""Files that no loader believes: a signature leaves them out, so that they may be edited, and come later."""


def sign(folder: Path, content: Mapping[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """Return the content of an MLmodel file with a signature over these files of a folder, and over the flavors.

    The files are read whole: call it in the background. Where no key is to be had the content stays unsigned, and one
    line in the log says so.
    """
    unsigned = {name: value for name, value in content.items() if name != SIGNATURE}
    names = sorted(set(files) - ABOUT)
    if len(names) > MOST:
        warn_once("the model has %d files and is not signed: more than %d are too many", len(names), MOST)
        return unsigned
    try:
        key = own_key()
        digests = {name: digest_of(inside(folder, name)) for name in names}
    except (MisuseError, OSError) as error:
        how = "give FITSCRIBE_MODEL_KEY, or load it with trust=True where it runs code"
        warn_once("the model is not signed (%s; key file: %s); %s", error, key_file(), how)
        return unsigned
    signature = key.sign(_signed(unsigned.get("flavors"), digests))
    about = {"algorithm": "hmac-sha256", "files": digests, "key": key.name, "value": signature, "version": VERSION}
    return {**unsigned, SIGNATURE: about}


def fingerprint(folder: Path, content: Mapping[str, Any]) -> str:
    """Return `sha256:...` of all that loading a model may touch; `check` takes it as `trust`. It reads every file."""
    return fingerprint_of(content, digests_of(folder, None)[1])


def fingerprint_of(content: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return `sha256:...` of these digests and the flavors."""
    import hashlib

    return f"sha256:{hashlib.sha256(_signed(content.get('flavors'), digests)).hexdigest()}"


def unsigned_because(folder: Path, content: Mapping[str, Any]) -> str:
    """Return why no signature vouches for a model as it lies there; empty where one does. It reads every file."""
    return verified(folder, content)[1]


def verified(folder: Path, content: Mapping[str, Any]) -> tuple[Path, str]:
    """Return where the model lies that was looked at, and why it is not to be trusted, if so."""
    about = content.get(SIGNATURE)
    if about is None:
        return folder, "it is not signed"
    digests = about.get("files") if isinstance(about, dict) else None
    if (
        not isinstance(digests, dict)
        or not all(isinstance(name, str) for name in digests)
        or about.get("version") != VERSION
    ):
        return folder, "its signature is of no kind that this version knows"
    mine = keys()
    key = next((each for each in mine if each.name == about.get("key")), None)
    if key is None:
        names = ", ".join(each.name for each in mine) or "none yet"
        return folder, f"it was signed with another key ({about.get('key')!s:.40}; yours: {names})"
    if not key.fits(_signed(content.get("flavors"), digests), str(about.get("value"))):
        return folder, "its MLmodel was edited after it was signed, or the signature is another model's"
    place, found = digests_of(folder, digests)
    changes: dict[str, set[str]] = {
        "is missing": digests.keys() - found.keys(),
        "was added after it was signed": found.keys() - digests.keys(),
        "was edited after it was signed": {name for name in found if found[name] != digests.get(name)},
    }
    said = next((f"{some(names)} {words}" for words, names in changes.items() if names), "")
    return (folder, said) if said else (place, "")


def digests_of(folder: Path, signed: Mapping[str, str] | None) -> tuple[Path, dict[str, str]]:
    """Return where the model may be loaded from, and the digests of its files as they lie there.

    Caches of compiled code would run in place of the code; where they are not signed they stay behind.
    """
    there = listing(folder)
    caches = {name for name in there if "__pycache__" in name.split("/")[:-1] and name not in (signed or ())}
    counted = {name: file for name, file in there.items() if name not in ABOUT and name not in caches}
    if signed is not None and counted.keys() != signed.keys():
        return folder, dict.fromkeys(counted, "") | {name: signed[name] for name in counted.keys() & signed.keys()}
    if caches or not ours_alone(folder, there.values()):
        return copied(folder, there, counted, sorted(ABOUT & there.keys()))
    return folder.resolve(), {name: digest_of(file) for name, file in counted.items()}


def _signed(flavors: object, digests: Mapping[str, str]) -> bytes:
    content = {"files": dict(digests), "flavors": _plain(flavors), "version": VERSION}
    return json.dumps(content, sort_keys=True).encode()


def _plain(value: object) -> object:
    """Return what a value is before YAML, and after it: keys of any kind as text, no tuples."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def some(names: Iterable[str]) -> str:
    """Return names as an error shows them: the first five, and how many more."""
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
