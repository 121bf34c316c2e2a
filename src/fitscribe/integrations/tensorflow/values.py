"""What a summary becomes: scalars are metrics, texts, images, sounds and histograms are artifacts by tag and step."""

from __future__ import annotations

import io
import json
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from fitscribe import guarded

__all__ = ["record", "record_proto", "record_raw"]

KEPT = 500  # steps of one histogram; of more every second one is given up


@guarded("recording a summary")
def record(run: Any, key: str, plugin: str, value: Any, step: int, at: int) -> None:
    """Record one value, a tensor or an array, that `plugin` of TensorBoard shows; what nobody shows is left out."""
    array = value.numpy() if hasattr(value, "numpy") else value
    deed = _BY_PLUGIN.get(plugin)
    if deed is not None:
        deed(run, key, array, step, at)


def record_raw(run: Any, prefix: str, value: Any, step: int, at: int) -> None:
    """Record serialized `Summary` messages, as `write_raw_pb` takes them."""
    from tensorflow.core.framework.summary_pb2 import Summary

    with guarded("reading a summary"):
        array = value.numpy()
        for content in array.ravel() if hasattr(array, "ravel") else [array]:
            for each in Summary.FromString(content).value:
                record_proto(run, prefix, each, step, at)


@guarded("recording a summary")
def record_proto(run: Any, prefix: str, value: Any, step: int, at: int) -> None:
    """Record one value of a `Summary` message."""
    import tensorflow as tf

    key, kind = prefix + value.tag, value.WhichOneof("value")
    if kind == "simple_value":
        run.log_metrics({key: value.simple_value}, step=step, at=at)
    elif kind == "image":
        _keep_image(run, key, value.image.encoded_image_string, step, at)
    elif kind == "tensor":
        record(run, key, value.metadata.plugin_data.plugin_name, tf.make_ndarray(value.tensor), step, at)


def _scalar(run: Any, key: str, array: Any, step: int, at: int) -> None:
    run.log_metrics({key: array.item() if hasattr(array, "item") else array}, step=step, at=at)


def _plain(run: Any, key: str, array: Any, step: int, at: int) -> None:
    """Record what was written with no word of what it is: one number or one text; more of them are data."""
    if getattr(array, "shape", ()):
        return
    word = array.item() if hasattr(array, "item") else array
    (_text if isinstance(word, (bytes, str)) else _scalar)(run, key, word, step, at)


def _text(run: Any, key: str, array: Any, step: int, at: int) -> None:
    rows = array.tolist() if hasattr(array, "tolist") else array
    run.log_text("\n".join(_lines(rows)) + "\n", f"texts/{_path(key)}/step_{step}.txt")


def _lines(rows: Any) -> list[str]:
    """Return texts as lines; a table has a line for each row."""
    if not isinstance(rows, list):
        return [rows.decode("utf-8", "replace") if isinstance(rows, bytes) else str(rows)]
    if rows and not isinstance(rows[0], list):
        return [line for each in rows for line in _lines(each)]
    return [" | ".join(_lines(row)) for row in rows]


def _images(run: Any, key: str, array: Any, step: int, at: int) -> None:
    pictures = array.ravel()[2:]  # width and height come first
    for number, content in enumerate(pictures):
        _keep_image(run, f"{key}/{number}" if len(pictures) > 1 else key, content, step, at)


def _keep_image(run: Any, key: str, content: bytes, step: int, at: int) -> None:
    """Record a PNG under the names by which MLflow's UI finds the steps of an image."""
    stem = f"images/{_path(key, '#')}%step%{step}%timestamp%{at}%{uuid.uuid4()}"
    run.log_bytes(content, f"{stem}.png")
    try:
        from PIL import Image
    except ImportError:
        return
    small = io.BytesIO()
    Image.open(io.BytesIO(content)).save(small, "webp")
    run.log_bytes(small.getvalue(), f"{stem}%compressed.webp")


def _sounds(run: Any, key: str, array: Any, step: int, at: int) -> None:
    sounds = array[:, 0] if array.ndim == 2 else array.ravel()  # beside each its label
    for number, content in enumerate(sounds):
        name = f"step_{step}_{number}" if len(sounds) > 1 else f"step_{step}"
        run.log_bytes(content, f"audio/{_path(key)}/{name}.wav")


def _path(key: str, between: str = "/") -> str:
    """Return a tag as part of a path that leads nowhere else."""
    parts = [part for part in key.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return between.join("".join(c if c.isprintable() and c not in ':*?"<>|%' else "_" for c in part) for part in parts)


class _Histograms:
    """The histograms of a run, one file for each tag; a longer file is written anew when it has twice as many steps."""

    def __init__(self, run: Any) -> None:
        """Have the rest written before the run ends."""
        self.run = weakref.ref(run)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.due: dict[str, int] = {}  # rows at which a file is written next; 0: all are written
        run.at_end(self.rest)

    def add(self, key: str, row: dict[str, Any]) -> None:
        rows = self.rows.setdefault(key, [])
        rows.append(row)
        due = self.due.get(key) or len(rows)
        if len(rows) >= due:
            self.write(key)
            due = 2 * len(rows)
        if len(rows) > KEPT:
            del rows[1:-1:2]
            due = len(rows) + KEPT // 2
        self.due[key] = due

    def write(self, key: str) -> None:
        if (run := self.run()) is not None:
            run.log_text(json.dumps(self.rows[key]), f"histograms/{_path(key)}.json")

    def rest(self) -> None:
        if (run := self.run()) is not None:
            run.later(self.write_all)

    def write_all(self) -> None:
        for key, rows in self.rows.items():
            if self.due[key] != 2 * len(rows):  # else the file has them all
                self.write(key)


_histograms_of: weakref.WeakKeyDictionary[Any, _Histograms] = weakref.WeakKeyDictionary()


def _histogram(run: Any, key: str, array: Any, step: int, at: int) -> None:
    """Keep a histogram's buckets: left edge, right edge and count of each."""
    if run not in _histograms_of:
        _histograms_of[run] = _Histograms(run)
    _histograms_of[run].add(key, {"step": step, "timestamp": at, "buckets": array.tolist()})


_BY_PLUGIN: Mapping[str, Callable[[Any, str, Any, int, int], None]] = {
    "": _plain,
    "scalars": _scalar,
    "text": _text,
    "images": _images,
    "audio": _sounds,
    "histograms": _histogram,
}
