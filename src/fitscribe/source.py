"""What ran here: the user, the script or notebook, and its git repository, as tags."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from fitscribe.config import without_credentials
from fitscribe.undivided import undivided

__all__ = ["directory", "here", "repository"]

CONSOLE = "<console>"
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "AIP_TRAINING_DATA_URI", "TRAINING_JOB_NAME")
SECONDS = 5.0  # that git may take in all

_here: dict[str, str] = {}


def here() -> dict[str, str]:
    """Return the tags that cost nothing to know: user, source name and source type."""
    if not _here:
        _here.update(_looked_up())
    return dict(_here)


def directory() -> Path:
    """Return the folder whose repository counts: the script's, else the working directory."""
    script = _script()
    if script and os.path.isfile(script):
        return Path(os.path.abspath(script)).parent
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted, and no repository is found there
        return Path(os.curdir)


def repository(folder: Path) -> dict[str, str]:
    """Return commit, branch, remote (without credentials) and state of a git repository.

    Runs git, for 5 seconds at most. Empty where there is no git, no repository or no commit.
    """
    until = time.monotonic() + SECONDS
    first = _git(folder, until, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").split()
    if len(first) != 2:
        return {}
    tags = {"mlflow.source.git.commit": first[0]}
    if first[1] != "HEAD":  # detached
        tags["mlflow.source.git.branch"] = first[1]
    if remote := _git(folder, until, "config", "--get", "remote.origin.url"):
        tags["mlflow.source.git.repoURL"] = _public(remote)
    changes = _git(folder, until, "status", "--porcelain", "--untracked-files=no", failed="?")
    if changes != "?":
        tags["mlflow.source.git.dirty"] = "true" if changes else "false"
    return tags


def _looked_up() -> dict[str, str]:
    notebook = _notebook()
    kind = "NOTEBOOK" if notebook is not None else "JOB" if any(map(os.environ.get, SCHEDULERS)) else "LOCAL"
    tags = {"mlflow.source.name": notebook or _script() or CONSOLE, "mlflow.source.type": kind}
    if user := _user():
        tags["mlflow.user"] = user
    return tags


def _script() -> str:
    name = sys.argv[0] if sys.argv else ""
    return "" if name in ("-c", "-m") else name


def _notebook() -> str | None:
    """Return the notebook's name, "" where that takes asking a server, or None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or "ipykernel" not in sys.modules:
        return None
    return str(shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")


def _user() -> str:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if name := os.environ.get(variable):
            return name
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container run under a bare number
        return ""


def _git(folder: Path, until: float, *words: str, failed: str = "") -> str:
    left = until - time.monotonic()
    if left <= 0:
        return failed
    with undivided:
        import subprocess

        try:
            # a child forked meanwhile would hold a pipe on whose end the start of a program waits
            git = subprocess.Popen(
                ["git", "-C", str(folder), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            )
        except OSError:
            return failed
    with git:
        try:
            said, _ = git.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            git.kill()
            return failed
    return said.decode("utf-8", "replace").strip() if git.returncode == 0 else failed


def _public(remote: str) -> str:
    """Strip credentials; in `ssh://git@host` and `git@host:path` the user is part of the address and no secret."""
    secret = "://" in remote and (urlsplit(remote).scheme in ("http", "https") or urlsplit(remote).password)
    return without_credentials(remote) if secret else remote
