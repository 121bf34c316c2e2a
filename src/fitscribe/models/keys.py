"""Keys that sign models: this user's, made on first use, or one that a team shares.

The same secret signs and verifies (HMAC-SHA256), so that nothing has to be installed for it: whoever can verify a
model can sign one, which is what "the models of this user, or of this team" means.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import sys
import time
from pathlib import Path

from fitscribe.config import settings
from fitscribe.errors import MisuseError

__all__ = ["Key", "key_file", "keys", "own_key"]

SHORTEST = 16  # characters of a given key: a signature lies open to guessing
WHOLE = 1.0  # seconds that another process may take to write the key that it makes


class Key:
    """A secret, known by a name that gives nothing of it away."""

    def __init__(self, text: str) -> None:
        """Make the key of a text."""
        self._secret = hashlib.sha256(b"fitscribe model key\0" + text.encode("utf-8", "surrogateescape")).digest()
        self.name = self.sign(b"name")[:16]

    def sign(self, content: bytes) -> str:
        """Return the signature of a content, in hex."""
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()

    def fits(self, content: bytes, signature: str) -> bool:
        """Whether this key has signed a content; takes as long for a wrong signature as for a right one."""
        return hmac.compare_digest(self.sign(content).encode(), signature.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        return f"<Key {self.name}>"


def keys() -> list[Key]:
    """Return the keys that are believed: those that FITSCRIBE_MODEL_KEY gives, then this user's own if there is one.

    `MisuseError`: the setting holds no key, or the user's own lies open to others.
    """
    found = _given()
    own = _read(file) if (file := key_file()) and file.exists() else None
    return [*found, *([own] if own else [])]


def own_key() -> Key:
    """Return the key to sign with: the first that FITSCRIBE_MODEL_KEY gives, or else this user's, made if need be.

    `MisuseError`: the setting holds no key, or the user's own lies open to others. `OSError`: it cannot be kept.
    """
    if given := _given():
        return given[0]
    file = key_file()
    if file is None:
        raise FileNotFoundError(errno.ENOENT, "this user has no home folder")
    if not file.exists():
        _make(file)
    return _read(file)


def key_file() -> Path | None:
    """Return where this user's key lies, by the custom of the platform; None for a user without a home."""
    try:
        if os.name == "nt":
            place = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
        elif sys.platform == "darwin" and not os.environ.get("XDG_CONFIG_HOME"):
            place = Path.home() / "Library" / "Application Support"
        else:
            place = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:
        return None
    return place / "fitscribe" / "model.key" if place.is_absolute() else None


def _given() -> list[Key]:
    """Return the keys of the setting: texts, or `@FILE` for the text of a file, between commas."""
    texts = [text.strip() for text in settings().model_key.split(",") if text.strip()]
    return [Key(_text(each)) for each in texts]


def _text(given: str) -> str:
    text, where = given, "FITSCRIBE_MODEL_KEY"
    if given.startswith("@"):
        where = f"the file {given[1:]!r} that FITSCRIBE_MODEL_KEY names"
        try:
            text = Path(given[1:]).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError, RuntimeError) as error:
            raise MisuseError(f"{where} cannot be read: {error}") from None
    if len(text) < SHORTEST:
        raise MisuseError(
            f"{where} holds a key of {len(text)} characters, which can be guessed; make one of {SHORTEST} or more: "
            'python -c "import secrets; print(secrets.token_hex(32))"'
        )
    return text


def _make(file: Path) -> None:
    """Write a new key; of several processes that do so at once, one is first, and the others use its key."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    text = secrets.token_hex(32)
    try:
        _written(draft, text)
        with contextlib.suppress(FileExistsError):
            if os.name == "nt":
                os.rename(draft, file)  # refuses where there is one already, as it does on no other system
            else:
                _linked(draft, file, text)
    finally:
        draft.unlink(missing_ok=True)


def _written(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())


def _linked(draft: Path, file: Path, text: str) -> None:
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a disk without links: the file is there before its content, so readers wait for that
        _written(file, text)


def _read(file: Path) -> Key:
    """Read this user's key. `MisuseError`: others can read or change it, or it is none."""
    about = file.stat()
    if os.name != "nt" and (about.st_mode & 0o077 or about.st_uid not in (os.geteuid(), 0)):
        raise MisuseError(
            f"the key that signs your models, {str(file)!r}, is open to others (mode {about.st_mode & 0o777:04o}, "
            f"owner {about.st_uid}); chmod 600 it if nobody has used it, or else delete it and a new one is made"
        )
    until = time.monotonic() + WHOLE
    while not (text := file.read_text(encoding="ascii", errors="replace")).endswith("\n"):
        if time.monotonic() > until:
            raise MisuseError(f"the key file {str(file)!r} is cut short; delete it and a new one is made")
        time.sleep(0.01)
    if len(text.strip()) < SHORTEST:
        raise MisuseError(f"the key file {str(file)!r} holds no key; delete it and a new one is made")
    return Key(text.strip())
