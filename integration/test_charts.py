"""Charts with the real matplotlib: right kind, right size, nothing global touched, fast enough."""

import struct
import threading
import time

from fitscribe.charts import draw
from fitscribe.records import Bars, Heatmap, Lines


def size(png: bytes | None) -> tuple[int, int]:
    assert png is not None
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])  # type: ignore[return-value]


def curve(names: int) -> Lines:
    return Lines("ROC", "false", "true", {f"class {i}": ([0.0, 0.5, 1.0], [0.0, i / names, 1.0]) for i in range(names)})


def square(side: int) -> Heatmap:
    names = [str(i) for i in range(side)]
    return Heatmap(
        "confusion", "predicted", "true", names, names, [[float(i * j) for i in range(side)] for j in range(side)]
    )


def test_charts_grow_with_what_they_show() -> None:
    assert size(draw(curve(1))) == (640, 480)
    assert size(draw(curve(10))) == (840, 480)
    assert size(draw(square(3))) == (480, 400)
    assert size(draw(square(15))) == (970, 970)
    assert size(draw(square(200))) == (1600, 1600)


def test_values_that_are_missing_or_few_still_make_a_picture() -> None:
    nan = float("nan")
    size(draw(Lines("t", "x", "y", {"a": ([0.0, 1.0], [nan, nan])})))
    size(draw(Lines("t", "x", "y", {})))
    size(draw(Heatmap("t", "x", "y", ["a"], ["b"], [[nan]])))


def test_bars_grow_with_their_number_and_take_any_name() -> None:
    nan = float("nan")
    assert size(draw(Bars("b", "x", ["a", "b"], [1.0, -2.0]))) == (720, 320)
    assert size(draw(Bars("b", "x", [f"$x_{i}$ {'long ' * 40}" for i in range(30)], [1.0] * 30))) == (720, 870)
    size(draw(Bars("b", "x", [], [])))
    size(draw(Bars("b", "x", ["no number", "$"], [nan, 1.0])))


def test_points_are_not_connected() -> None:
    dots = {"rows": ([0.0, 1.0, 2.0], [1.0, 0.0, 1.0])}
    assert draw(Lines("t", "x", "y", dots, ["rows"])) != draw(Lines("t", "x", "y", dots))


def test_nothing_global_is_touched_and_threads_draw_side_by_side() -> None:
    import matplotlib as mpl

    before, backend = dict(mpl.rcParams), mpl.rcParams._get("backend")
    drawn: list[bytes | None] = []
    threads = [threading.Thread(target=lambda: drawn.append(draw(square(5)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({bytes(png or b"") for png in drawn}) == 1
    assert (dict(mpl.rcParams), mpl.rcParams._get("backend")) == (before, backend)
    began = time.perf_counter()
    draw(curve(2))
    assert time.perf_counter() - began < 2
