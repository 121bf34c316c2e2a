"""The embedded store: the protocol's REST handlers over SQLite and files."""

from fitscribe.store.service import Store

__all__ = ["Store"]
