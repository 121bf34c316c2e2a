"""What is recorded as files: the bytes of figures, images, dicts and tables, and the files of a folder."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from fitscribe import config
from fitscribe.errors import MisuseError
from fitscribe.guard import warn_once

__all__ = ["dict_bytes", "figure_bytes", "files_below", "image_bytes", "merged", "table_bytes", "table_columns"]


def files_below(root: Path) -> list[Path]:
    """Return the files in a folder and below it, in order; our own, and what is no file, are left out.

    One warning names what was no file.
    """
    left: list[str] = []
    found = sorted(_walked(root, left))
    if left:
        some = ", ".join(sorted(left)[:3]) + (", ..." if len(left) > 3 else "")
        warn_once("%d thing(s) in %s are no plain files and are not logged: %s", len(left), root, some)
    return found


def _walked(root: Path, left: list[str]) -> Iterator[Path]:
    own = config.folder()  # the journal would be recorded into itself
    for folder, folders, names in os.walk(root, onerror=lambda error: left.append(f"{error.filename} (unreadable)")):
        here = Path(folder)
        folders[:] = [each for each in folders if (here / each).absolute() != own]
        # a link to a folder may lead anywhere, also to the folder that it is in
        left.extend(f"{each} (a link to a folder)" for each in folders if (here / each).is_symlink())
        for name in names:
            if (here / name).is_file():
                yield here / name
            else:
                left.append(f"{name} (a broken link)" if (here / name).is_symlink() else name)


def dict_bytes(values: Any, path: str) -> bytes:
    """Return a dict or list as JSON, or as YAML where the path ends in .yaml or .yml; odd values become text."""
    if PurePosixPath(path).suffix in (".yaml", ".yml"):
        import yaml

        plain = json.loads(_json(values))
        return str(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)).encode()
    return _json(values, indent=2).encode()


def _json(values: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(values, indent=indent, ensure_ascii=False, default=_plain)
    except TypeError:  # a key that is no text, such as a numpy number or a tuple
        return json.dumps(_keyed(values), indent=indent, ensure_ascii=False, default=_plain)


def _keyed(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key if isinstance(key, str) else str(_plain(key)): _keyed(value) for key, value in values.items()}
    return [_keyed(each) for each in values] if isinstance(values, (list, tuple)) else values


def _plain(value: Any) -> Any:
    """JSON for what `json` does not know: numpy scalars and arrays, and the text of the rest."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def figure_bytes(figure: Any, path: str, save: Mapping[str, Any] | None = None) -> bytes:
    """Return a matplotlib or plotly figure as the file type that the path's ending names.

    `MisuseError`: it is neither, or the path has no ending that fits.
    """
    suffix = PurePosixPath(path).suffix.lstrip(".").lower()
    if hasattr(figure, "savefig"):
        out = io.BytesIO()
        figure.savefig(out, **{"format": suffix or "png", **(save or {})})
        return out.getvalue()
    if hasattr(figure, "write_html"):
        if suffix == "html":
            return str(figure.to_html(**{"include_plotlyjs": "cdn", "auto_open": False, **(save or {})})).encode()
        if suffix in ("png", "jpeg", "jpg", "webp", "svg", "pdf"):
            return bytes(figure.to_image(format=suffix, **(save or {})))
        raise MisuseError(f"a plotly figure is saved as .html, .png, .svg or .pdf, not as {path!r}")
    raise MisuseError(f"log_figure takes a matplotlib or plotly figure, not {type(figure).__name__}")


def image_bytes(image: Any, path: str) -> bytes:
    """Return an image as the file type that the path's ending names (PNG without one).

    A Pillow image, or an array of height x width, x 1, x 3 or x 4 channels: whole numbers are 0 to 255, floats
    0 to 1, booleans black and white. Needs Pillow. `MisuseError`: it is no image.
    """
    suffix = PurePosixPath(path).suffix.lstrip(".").lower() or "png"
    picture = image if hasattr(image, "save") else _picture(image)
    out = io.BytesIO()
    picture.save(out, format={"jpg": "jpeg"}.get(suffix, suffix))
    return out.getvalue()


def _picture(image: Any) -> Any:
    try:
        import numpy
        from PIL import Image
    except ImportError as error:
        raise MisuseError(f"log_image needs Pillow and numpy to write an array ({error}); pip install pillow") from None
    pixels = numpy.asarray(image.to_pil() if hasattr(image, "to_pil") else image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if (
        pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4))
        or pixels.dtype.kind not in "buif"
    ):
        raise MisuseError(
            f"log_image takes height x width, x 1, x 3 or x 4 channels, not {pixels.dtype} {pixels.shape}"
        )
    if pixels.dtype.kind in "bf":
        pixels = pixels.astype(float).clip(0, 1) * 255
    low, high = (pixels.min(), pixels.max()) if pixels.size else (0, 0)
    if not (low >= 0 and high <= 255):
        raise MisuseError(f"log_image takes whole numbers from 0 to 255; these go from {low} to {high}")
    return Image.fromarray(pixels.round().astype("uint8") if pixels.dtype.kind == "f" else pixels.astype("uint8"))


def table_columns(data: Any) -> dict[str, list[Any]]:
    """Return a table as lists by column, from a dict of columns or a data frame. `MisuseError`: it is neither."""
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        data = {
            str(name): data[name].tolist() if hasattr(data[name], "tolist") else list(data[name])
            for name in data.columns
        }
    if not isinstance(data, Mapping):
        raise MisuseError(f"log_table takes a dict of columns or a data frame, not {type(data).__name__}")
    columns = {str(name): list(c) if _many(c) else [c] for name, c in data.items()}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = {name: len(column) for name, column in columns.items()}
        raise MisuseError(f"log_table takes columns of one length; these have {lengths}")
    return columns


def _many(column: Any) -> bool:
    return isinstance(column, (list, tuple)) or (hasattr(column, "tolist") and getattr(column, "ndim", 1) > 0)


def merged(table: dict[str, list[Any]], more: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return both tables below one another; a column that one of them lacks is empty there."""
    rows, new = (len(next(iter(t.values()), [])) for t in (table, more))
    names = [*table, *(name for name in more if name not in table)]
    return {name: [*table.get(name, [None] * rows), *more.get(name, [None] * new)] for name in names}


def table_bytes(table: dict[str, list[Any]]) -> bytes:
    """Return a table in the JSON form of MLflow's `log_table`: columns, and rows under `data`."""
    rows = list(map(list, zip(*table.values(), strict=True)))
    return json.dumps({"columns": list(table), "data": rows}, ensure_ascii=False, default=_plain).encode()
