"""What a store still has to tell webhooks, sent by `fitscribe sync`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["tell"]


def tell(folder: Path) -> bool:
    """Send what waits in the store of a folder; False when something is left, which is said."""
    if not (folder / "fitscribe.db").is_file():
        return True
    from fitscribe.config import settings
    from fitscribe.transport.notices import notifier

    telling = notifier(folder)
    before = telling.waiting()
    if not before:
        telling.close()
        return True
    left = telling.settle(settings().exit_timeout, at_once=True)
    told = f"{before - left} notice(s) to webhooks sent"
    click.echo(f"{told}; {left} wait for receivers that do not answer or need a secret" if left else told)
    telling.close()
    return not left
