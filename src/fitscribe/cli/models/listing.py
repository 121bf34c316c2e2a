"""Tables of registered models and their versions for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from fitscribe.entities.model_registry import ModelVersion, RegisteredModel

__all__ = ["models_table", "versions_table"]

LONGEST = 60
SHORT_ID = 8


def models_table(models: Sequence[RegisteredModel]) -> Table:
    """Return registered models with their newest version, aliases and stages."""
    table = Table("model", "newest", "aliases", "stages", "changed", "description")
    for model in models:
        versions = model.latest_versions or []
        stages = [f"{one.current_stage} {one.version}" for one in versions if one.current_stage != "None"]
        aliases = [f"@{alias} {version}" for alias, version in sorted((model.aliases or {}).items())]
        newest = max((int(one.version) for one in versions), default=0)
        table.add_row(
            Text(model.name, style="bold"),
            Text(str(newest or "")),
            Text("\n".join(aliases), style="green"),
            Text("\n".join(stages)),
            Text(_moment(model.last_updated_timestamp or model.creation_timestamp)),
            Text(_short(model.description)),
        )
    return table


def versions_table(versions: Sequence[ModelVersion]) -> Table:
    """Return versions with where they came from; columns that all are empty in are left out."""
    cells = [
        {
            "version": Text(str(one.version), style="bold"),
            "status": Text(one.status.lower(), style="" if one.status == "READY" else "yellow"),
            "aliases": Text("\n".join(f"@{alias}" for alias in one.aliases or ()), style="green"),
            "stage": Text("" if one.current_stage == "None" else one.current_stage),
            "run": Text(one.run_id[:SHORT_ID] if one.run_id else one.source, style="dim"),
            "made": Text(_moment(one.creation_timestamp)),
            "description": Text(_short(one.description)),
        }
        for one in versions
    ]
    headings = [heading for heading in cells[0] if any(row[heading].plain for row in cells)]
    table = Table(*headings)
    for row in cells:
        table.add_row(*(row[heading] for heading in headings))
    return table


def _moment(milliseconds: int | None) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M}" if milliseconds else ""


def _short(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
