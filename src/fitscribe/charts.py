"""Charts drawn as PNG, with matplotlib's object API alone: no pyplot, no window, nothing global."""

from __future__ import annotations

import io
import math
from typing import Any

from fitscribe.guard import inform, warn_once
from fitscribe.records import Bars, Heatmap, Lines
from fitscribe.undivided import undivided

__all__ = ["draw"]

DPI = 100
INSIDE = 4  # series that a legend inside the axes can name
NAMED = 40  # series or labels beyond which names are a grey smear
ANNOTATED = 15  # rows and columns up to which each cell shows its number
LONG = 40  # characters of a bar's name
MARKED = 30  # points up to which each is marked

_missing = False


def draw(chart: Lines | Heatmap | Bars) -> bytes | None:
    """Return the chart as the bytes of a PNG, or None (said once) where there is no matplotlib."""
    global _missing
    if _missing:
        return None
    try:
        with undivided:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
    except ImportError:
        _missing = True
        inform("matplotlib is not installed, so charts are left out; everything else is recorded")
        return None
    figure = Figure(figsize=_size(chart), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(chart.title)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    if isinstance(chart, Heatmap):
        _heatmap(figure, axes, chart)
    else:
        _bars(axes, chart) if isinstance(chart, Bars) else _lines(axes, chart)
    written = io.BytesIO()
    figure.savefig(written, format="png", pil_kwargs={"compress_level": 3})
    return written.getvalue()


def _size(chart: Lines | Heatmap | Bars) -> tuple[float, float]:
    if isinstance(chart, Bars):
        return 7.2, min(16.0, max(3.2, 1.2 + 0.25 * len(chart.names)))
    if isinstance(chart, Lines):
        return (6.4, 4.8) if len(chart.series) <= INSIDE else (8.4, 4.8)
    cell = 0.5 if max(len(chart.rows), len(chart.columns)) <= ANNOTATED else 0.25
    return tuple(min(16.0, max(least, 2.2 + cell * len(names))) for least, names in _sides(chart))  # type: ignore[return-value]


def _sides(chart: Heatmap) -> tuple[tuple[float, list[str]], tuple[float, list[str]]]:
    return (4.8, chart.columns), (4.0, chart.rows)


def _lines(axes: Any, chart: Lines) -> None:
    for name, (xs, ys) in chart.series.items():
        if name in chart.points:
            axes.plot(xs, ys, label=name, linestyle="none", marker="o", markersize=3, alpha=0.5)
            continue
        axes.plot(xs, ys, label=name, linewidth=1.5, marker="o" if len(xs) <= MARKED else None, markersize=3)
    axes.grid(visible=True, alpha=0.3)
    if len(chart.series) > NAMED:
        warn_once("a chart of %d series has no legend; more than %d cannot be read", len(chart.series), NAMED)
    elif len(chart.series) > INSIDE:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", ncols=1 + len(chart.series) // 20)
    elif len(chart.series) > 1 or any(chart.series):
        axes.legend(loc="best", fontsize="small")


def _bars(axes: Any, chart: Bars) -> None:
    axes.barh(range(len(chart.names)), chart.values)
    axes.set_yticks(range(len(chart.names)), labels=[_cut(name) for name in chart.names], fontsize="small")
    axes.invert_yaxis()  # the first at the top
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.grid(visible=True, axis="x", alpha=0.3)


def _cut(name: str) -> str:
    """Shorten a name that would leave no room for the bars; a dollar sign begins no formula in it."""
    return (name if len(name) <= LONG else f"{name[: LONG - 3]}...").replace("$", r"\$")


def _heatmap(figure: Any, axes: Any, chart: Heatmap) -> None:
    picture = axes.imshow(chart.values, cmap="Blues", aspect="auto")
    figure.colorbar(picture, ax=axes)
    for axis, names in ((axes.xaxis, chart.columns), (axes.yaxis, chart.rows)):
        every = max(1, math.ceil(len(names) / NAMED))
        axis.set_ticks(range(0, len(names), every), labels=names[::every])
    if len(chart.columns) > 5 or any(len(name) > 8 for name in chart.columns):
        axes.tick_params(axis="x", labelrotation=90)
    if max(len(chart.rows), len(chart.columns)) <= ANNOTATED:
        _numbers(axes, picture, chart)


def _numbers(axes: Any, picture: Any, chart: Heatmap) -> None:
    low, high = picture.get_clim()
    middle = (low + high) / 2
    for row, values in enumerate(chart.values):
        for column, value in enumerate(values):
            colour = "white" if value > middle else "black"
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour, fontsize="small")
