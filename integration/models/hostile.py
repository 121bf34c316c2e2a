"""Models made to do harm with the real frameworks, and what became of each.

Run as `python hostile.py FRAMEWORK ANSWERS` in an empty folder: a pickle file of (what it was, what its loading said)
becomes ANSWERS. Whatever runs makes a file `canary`.
"""

import contextlib
import io
import json
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

CANARY = "import pathlib; pathlib.Path('canary').touch()"


class Evil:
    """Whoever unpickles this runs code."""

    def __reduce__(self):
        return exec, (CANARY,)


def mlmodel(folder, flavors):
    from fitscribe.models.format import mlmodel_text

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(mlmodel_text({"flavors": flavors}))
    return folder


def outcomes(what, folder, *loads):
    """Load a folder in each way; what each said, or the type of what it gave."""
    from fitscribe.errors import FitscribeError

    for load in loads:
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                said = f"loaded: {type(load(str(folder))).__name__}"
        except FitscribeError as error:
            said = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001  the framework's own refusal is one too
            said = f"{type(error).__module__.partition('.')[0]}: {error}"
        yield f"{what}, {load.__module__}", said


def torch():
    """PyTorch's files."""
    import torch

    import fitscribe.pyfunc
    import fitscribe.pytorch

    loads = (fitscribe.pytorch.load_model, fitscribe.pyfunc.load_model)
    entry = {"model_data": "data", "pytorch_version": str(torch.__version__)}
    answers = {"loader_module": "mlflow.pytorch", "data": "data", "pickle_module_name": "canary"}
    both = {"pytorch": entry, "python_function": answers}

    def folder(name, flavors=both):
        place = mlmodel(Path(name), flavors)
        (place / "data").mkdir()
        return place

    class Net(torch.nn.Linear):
        def __reduce_ex__(self, protocol):
            return Evil().__reduce__()

    place = folder("reduce")
    torch.save(Net(1, 1), place / "data" / "model.pth")
    yield from outcomes("a pickle", place, *loads)

    place = folder("legacy")
    torch.save(Evil(), place / "data" / "model.pth", _use_new_zipfile_serialization=False)
    yield from outcomes("an old pickle", place, *loads)

    place = folder("bare")
    (place / "data" / "model.pth").write_bytes(pickle.dumps(Evil()))
    yield from outcomes("a bare pickle", place, *loads)

    place = folder("mixed")
    torch.save({"weight": torch.ones(1), "evil": Evil()}, place / "data" / "model.pth")
    yield from outcomes("tensors and more", place, *loads)

    place = folder("module")
    Path("canary.py").write_text(CANARY)
    sys.path.insert(0, "")
    (place / "data" / "pickle_module_info.txt").write_text("canary")
    torch.save(Evil(), place / "data" / "model.pth")
    yield from outcomes("a pickle module of its own", place, *loads)

    place = folder("elsewhere", {**both, "python_function": {**answers, "data": "other"}})
    torch.save({"weight": torch.ones(1)}, place / "data" / "model.pth")
    (place / "other").mkdir()
    torch.save(Evil(), place / "other" / "model.pth")
    yield from outcomes("another file for pyfunc", place, loads[1])

    for name in ("../reduce/data", "/etc", "C:\\data"):
        place = folder(f"named{len(name)}", {"pytorch": {**entry, "model_data": name}})
        yield from outcomes(f"data in {name}", place, loads[0])

    place = folder("script")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(1, 1)).save(str(place / "data" / "model.pth"))
    yield from outcomes("TorchScript", place, *loads)

    place = folder("program")
    torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.ones(1, 1),)), place / "data" / "model.pt2")
    yield from outcomes("an exported program", place, *loads)

    place = folder("checkpoint", {"pytorch": {**entry, "code": "code"}})
    torch.save({"weight": torch.ones(1)}, place / "data" / "model.pth")
    (place / "code").mkdir()
    (place / "code" / "torchvision.py").write_text(CANARY)
    yield from outcomes("weights with code", place, loads[0])


def keras():  # noqa: C901  a list
    """Keras's and TensorFlow's files."""
    import keras
    import tensorflow as tf

    import fitscribe.keras
    import fitscribe.pyfunc
    import fitscribe.tensorflow

    entry = {"keras_version": keras.__version__, "data": "data", "keras_backend": "tensorflow"}
    flavors = {"keras": entry, "python_function": {"loader_module": "mlflow.keras", "data": "data"}}
    loads = (fitscribe.keras.load_model, fitscribe.pyfunc.load_model)

    def folder(name, model, flavors=flavors):
        place = mlmodel(Path(name), flavors)
        (place / "data").mkdir()
        model.save(place / "data" / "model.keras")
        return place

    def plain(*more):
        return keras.Sequential([keras.Input([1]), keras.layers.Dense(1, name="dense"), *more])

    def edited(place, change):
        file = place / "data" / "model.keras"
        with zipfile.ZipFile(file) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(entries["config.json"])
        change(config, entries)
        entries["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)

    harmless = folder("harmless", plain())
    yield from outcomes("a harmless model", harmless, *loads)

    yield from outcomes("a Lambda", folder("lambda", plain(keras.layers.Lambda(lambda x: x * 2))), *loads)

    def named(module, function):
        def change(config, _):
            config["config"]["layers"][1]["config"]["activation"] = {
                "module": module, "class_name": "function", "config": function, "registered_name": function,
            }  # fmt: skip

        return change

    for module, function in (
        ("os", "system"),
        ("builtins", "exec"),
        ("subprocess", "getoutput"),
        ("keras.utils", "get_file"),
    ):
        place = folder(f"named-{module}", plain())
        edited(place, named(module, function))
        yield from outcomes(f"the function {module}.{function}", place, *loads)

    def unsafe(config, _):
        layer = config["config"]["layers"][1]
        layer.update({"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}})

    place = folder("switch", plain())
    edited(place, unsafe)
    yield from outcomes("a switch of the safe mode", place, *loads)

    def imported(config, _):
        config["config"]["layers"][1].update({"module": "canary", "class_name": "Layer", "registered_name": "Layer"})

    Path("canary.py").write_text(CANARY)
    sys.path.insert(0, "")
    place = folder("imported", plain())
    edited(place, imported)
    yield from outcomes("a module of its own", place, *loads)

    def outside(_, entries):
        entries["../../../canary"] = b""

    place = folder("outside", plain())
    edited(place, outside)
    yield from outcomes("an archive that leads out", place, *loads)

    def bomb(config, entries):
        entries["bomb"] = bytes(400_000_000)

    place = folder("bomb", plain())
    edited(place, bomb)
    yield from outcomes("a bomb", place, *loads)

    older = mlmodel(Path("older"), {"tensorflow": {"data": "data", "model_type": "keras", "save_format": "h5"}})
    (older / "data").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain(keras.layers.Lambda(lambda x: x * 2)).save(older / "data" / "model.h5")
    yield from outcomes("the older form", older, fitscribe.tensorflow.load_model)

    custom = folder("custom", plain(), {"tensorflow": {"data": "data", "model_type": "keras", "save_format": "keras"}})
    (custom / "data" / "global_custom_objects.cloudpickle").write_bytes(pickle.dumps(Evil()))
    yield from outcomes("pickled custom objects", custom, fitscribe.tensorflow.load_model)

    class Writer(tf.Module):
        @tf.function(input_signature=[])
        def __call__(self):
            tf.io.write_file("canary", "x")
            return tf.constant(1)

    saved = mlmodel(Path("saved"), {"tensorflow": {"saved_model_dir": "tf2model", "model_type": "tf2-module"}})
    tf.saved_model.save(Writer(), str(saved / "tf2model"))
    yield from outcomes("a SavedModel", saved, fitscribe.tensorflow.load_model)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    Path(sys.argv[2]).write_bytes(pickle.dumps(dict(globals()[sys.argv[1]]())))
