"""Files of a run: text, bytes, figures, tables, dicts, charts; each is written down as it is at the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fitscribe import checks, contents
from fitscribe.errors import MisuseError
from fitscribe.guard import guarded, warn_once
from fitscribe.records import Artifact, Bars, Drawing, Heatmap, Lines, now
from fitscribe.words.outlet import Speaker, outlet

__all__ = ["Files"]


class Files(Speaker):
    """The words for what becomes a file of the run; `path` is its place in the run's artifacts, as `plots/loss.png`."""

    _tables: dict[str, dict[str, list[Any]]]

    @guarded("logging a text")
    def log_text(self, words: str, path: str, model: str = "") -> None:
        """Record a text as the artifact `path` (UTF-8), one of the model that has begun under the id `model`."""
        self.log_bytes(words.encode("utf-8", "backslashreplace"), path, model)

    @guarded("logging an artifact")
    def log_bytes(self, content: bytes, path: str, model: str = "") -> None:
        """Record bytes as the artifact `path`."""
        self.keep(content, path, model)

    @guarded("logging a file")
    def log_file(self, file: str | Path, path: str) -> None:
        """Record a copy of a file, as it is now, as the artifact `path`."""
        self.keep(Path(file), path)

    @guarded("logging a dict")
    def log_dict(self, value: Any, path: str) -> None:
        """Record a dict or list as JSON, or as YAML where the path ends in .yaml or .yml; odd values become text."""
        self._made(path, lambda: contents.dict_bytes(value, path))

    @guarded("logging a figure")
    def log_figure(self, figure: Any, path: str, *, save: Mapping[str, Any] | None = None) -> None:
        """Record a matplotlib or plotly figure, as it is now, in the format that the path's ending names.

        `save` are arguments for the library's own saving. The figure is drawn before this returns, since it may change
        afterwards; a chart of plain numbers costs the training less as `log_chart`.
        """
        self._made(path, lambda: contents.figure_bytes(figure, path, save))

    @guarded("logging a table")
    def log_table(self, columns: Any, path: str) -> None:
        """Record a dict of columns or a data frame as a JSON table that MLflow's UI shows; `path` ends in .json.

        A second call with the same path adds rows. The run holds the table until it is gone: it is for results, not
        for data.
        """
        self._made(path, lambda: contents.table_bytes(self._longer(columns, path)))

    def _longer(self, columns: Any, path: str) -> dict[str, list[Any]]:
        tables = self.__dict__.setdefault("_tables", {})
        found: dict[str, list[Any]] = contents.merged(tables.get(path, {}), contents.table_columns(columns))
        tables[path] = found
        return found

    def _made(self, path: str, make: Callable[[], bytes]) -> None:
        """Record what is made now; what is no such thing, or has no plain path, is left out with one warning."""
        if self.aside:
            return
        try:
            place = checks.artifact_path(path)
            if not place:
                raise MisuseError("an artifact needs a path, such as 'plots/loss.png'")
            self.keep(make(), place)
        except MisuseError as error:
            warn_once("%r is left out of the run: %s", path, error)

    @guarded("logging a chart")
    def log_chart(self, chart: Lines | Heatmap | Bars, path: str) -> None:
        """Record a chart, drawn as the PNG `path` in the background; without matplotlib it is left out."""
        self.say(Drawing(self.id, now(), path, chart))

    def spool_path(self, name: str) -> Path:
        """Return a fresh path for a file that is then recorded by `log_spooled`."""
        return outlet().spool_path(name)

    def log_spooled(self, file: Path, path: str, model: str = "") -> None:
        """Record a file that was written to an outlet's `spool_path`; it is not copied again."""
        self.say(Artifact(self.id, now(), path, outlet().spooled(file), model))
