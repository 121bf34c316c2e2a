"""Parts of a file, sent straight to an object store by the addresses that a tracking server has signed for them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fitscribe.config import settings
from fitscribe.errors import ServerError, TransportError
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    import requests

__all__ = ["Parts"]

REFUSED = (400, 401, 403, 404, 405, 410, 411, 412, 413, 501)


class Parts:
    """Sends parts, without the credentials of the tracking server, which are for nobody else."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._session: requests.Session | None = None
        self._opening = threading.Lock()

    def send(
        self, url: str, headers: Mapping[str, str], piece: tuple[Path, int, int], moving: Callable[[], None]
    ) -> str:
        """Send `size` bytes of a file from `start` (`piece`: file, start, size); return the store's ETag of them.

        `Unsent`: the store is not to be reached from here. `TransportError`: it may work later. `ServerError`: it
        refuses them, as it does when the address is too old.
        """
        with undivided:
            import requests

            from fitscribe.transport.failures import failure

        where = f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}"
        try:
            with _Slice(*piece, moving) as content:
                answer = self._opened(url).put(
                    url,
                    data=content if len(content) else b"",
                    headers=dict(headers),
                    timeout=(10.0, settings().timeout),
                )
        except requests.RequestException as error:
            raise failure(where, error, settings().timeout) from None
        if answer.status_code < 300:
            return str(answer.headers.get("ETag", ""))
        words = f"{where} answered {answer.status_code} to a part of an upload"
        if answer.status_code in REFUSED:
            raise ServerError(answer.status_code, "", words)
        raise TransportError(words)

    def close(self) -> None:
        """Close the connections; a later `send` opens new ones."""
        with self._opening:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _opened(self, url: str) -> requests.Session:
        with self._opening:
            if self._session is None:
                with undivided:
                    import requests
                    from requests.utils import get_environ_proxies

                session = requests.Session()
                session.trust_env = False  # an entry of ~/.netrc beside the signature is refused
                session.proxies.update(get_environ_proxies(url))
                ignore = os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("1", "true")
                bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
                session.verify = not ignore and (bundle or True)
                self._session = session
            return self._session


class _Slice:
    """A part of a file, as `requests` reads a body: never more of it in memory than a block."""

    def __init__(self, file: Path, start: int, size: int, moving: Callable[[], None]) -> None:
        self.file, self.start, self.moving = file.open("rb"), start, moving
        self.size = self.left = size
        self.file.seek(start)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> _Slice:
        return self

    def __next__(self) -> bytes:
        piece = self.read(1 << 18)
        if not piece:
            raise StopIteration
        return piece

    def read(self, size: int = -1) -> bytes:
        self.moving()
        piece = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(piece)
        return piece

    def __enter__(self) -> _Slice:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
