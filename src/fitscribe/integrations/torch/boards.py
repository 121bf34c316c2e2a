"""What a SummaryWriter is given: scalars, hyper-parameters, images and figures, as they are written to its files."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from pathlib import PurePath
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch.here import here
from fitscribe.integrations.torch.readings import number_of, taken
from fitscribe.integrations.torch.records import Record, milliseconds

__all__ = ["added", "closed", "hparams", "scalars"]

_writers: weakref.WeakKeyDictionary[Any, tuple[Record, str]] = weakref.WeakKeyDictionary()


def added(call: Any) -> Generator[None, Any, None]:
    """Record the values of one summary: scalars as metrics, pictures as files."""
    record, prefix = _record(call, call.target)
    yield
    summary, step = call.argument("summary"), _step(call.argument("global_step"))
    at = _at(call.argument("walltime"))
    with guarded("recording a summary"):
        for value in summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                record.say({prefix + value.tag: float(value.simple_value)}, step, at)
            elif kind == "image":
                record.run.log_bytes(value.image.encoded_image_string, f"images/{prefix}{value.tag}/{step}.png")
            elif kind == "tensor" and value.metadata.plugin_data.plugin_name == "scalars":
                record.say({prefix + value.tag: _new_style(value.tensor)}, step, at)


def scalars(call: Any) -> Generator[None, Any, None]:
    """Record the series of one `add_scalars` under keys of their own."""
    record, prefix = _record(call, call.target.file_writer or call.target)
    yield
    step, at, tag = _step(call.argument("global_step")), _at(call.argument("walltime")), call.argument("main_tag")
    with guarded("recording scalars"):
        found = {f"{prefix}{tag}/{name}": taken(value) for name, value in call.argument("tag_scalar_dict").items()}
        record.say({key: number_of(value) for key, value in found.items() if value is not None}, step, at)


def hparams(call: Any) -> Generator[None, Any, None]:
    """Record hyper-parameters as params, and the metrics that come with them."""
    record, _ = _record(call, call.target.file_writer or call.target)
    yield
    step = _step(call.argument("global_step"))
    with guarded("recording hyper-parameters"):
        record.run.log_params(call.argument("hparam_dict"))
        found = {key: taken(value) for key, value in call.argument("metric_dict").items()}
        record.say({key: number_of(v) for key, v in found.items() if v is not None}, step, milliseconds())


def closed(call: Any) -> Generator[None, Any, None]:
    """Let go of a writer that is closed; tensorboardX keeps its writers alive."""
    yield
    known = _writers.pop(call.target, None)
    if known is not None:
        known[0].leave(id(call.target))


def _record(call: Any, writer: Any) -> tuple[Record, str]:
    """Return where a writer's values go: the run of the training in this thread, or one for its writers.

    Of several writers to one run, the second and later ones have the last part of their folder before their keys.
    """
    known = _writers.get(writer)
    if known is not None and known[0].open:
        return known
    place = here()
    trained = next((each.record for each in reversed(place.trainings) if each.open and each.record), None)
    record = trained or place.record
    if record is None or not record.open or (record.ours and not record.writers):
        record = place.record = Record(call, "SummaryWriter")
    prefix = ""
    folder = PurePath(writer.get_logdir())
    others = [each for each, (other, _) in _writers.items() if other is record]
    if any(PurePath(each.get_logdir()) != folder for each in others):
        prefix = f"{folder.name}/"
    _writers[writer] = record, prefix
    record.writers.add(id(writer))
    weakref.finalize(writer, record.leave, id(writer)).atexit = False
    return record, prefix


def _new_style(tensor: Any) -> float:
    found = tensor.double_val or tensor.float_val
    if found:
        return float(found[0])
    from struct import unpack

    content = tensor.tensor_content
    return float(unpack("<d" if len(content) == 8 else "<f", content)[0])


def _step(given: Any) -> int:
    return 0 if given is None else int(given)


def _at(walltime: Any) -> int:
    return milliseconds() if walltime is None else round(walltime * 1000)
