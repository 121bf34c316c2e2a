"""What a receiver of events keeps: the lines of each request, and files; for `Endpoint(ledger=Receiver())`."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Receiver"]


class Receiver:
    """`handle` answers a request with (status, body); a line whose id was seen before is not kept again."""

    def __init__(self, files: bool = True, refuses: str = "") -> None:
        """A receiver that takes no `files` answers 405 to them; a request in which `refuses` occurs is refused."""
        self.files, self.refuses = files, refuses
        self.lines: list[dict[str, Any]] = []
        self.artifacts: dict[str, bytes] = {}
        self._seen: set[str] = set()

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer one request."""
        folder, mark, file = path.partition("/artifacts/")
        if method == "PUT" and mark:
            if not self.files:
                return 405, {"message": "no files here"}
            self.artifacts[file] = body or b""
            return 201, {}
        if method != "POST" or folder.strip("/"):
            return 404, {"message": "events are posted to the root"}
        lines = [msgspec.json.decode(line) for line in body.splitlines()]
        if self.refuses and self.refuses.encode() in body:
            return 422, {"message": f"the word {self.refuses!r} is not taken here"}
        for line in lines:
            if line["id"] not in self._seen:
                self._seen.add(line["id"])
                self.lines.append(line)
        return 200, {}

    def of(self, run: str) -> list[dict[str, Any]]:
        """Return the lines of one run."""
        return [line for line in self.lines if line.get("run") == run]
