"""How a booster is kept: as JSON, which runs no code, and which MLflow loads where this package is installed."""

from pathlib import Path

from fitscribe.models.written import Written

FLAVOR = "tinyboost"  # its key in the MLmodel file
FILE = "booster.json"


def write(model, folder, *, limit=None):
    """Write a booster into a folder, now. Another option of `log_model` would be another argument."""
    import tinyboost

    file = Path(folder) / FILE
    model.save(file)
    own = {"data": FILE, "tinyboost_version": tinyboost.__version__}
    entries = {FLAVOR: own, "python_function": {"loader_module": __name__, "data": FILE}}
    return Written(entries, (FILE,), file.stat().st_size, ("tinyboost", __name__.partition(".")[0]))


def load(folder, conf):
    """Return the booster of a model's folder, as `fitscribe.tinyboost.load_model` gives it."""
    return _load_pyfunc(Path(folder) / FILE)


def predictor(folder, conf, model_config=None):
    """Return what answers `predict`, for `fitscribe.pyfunc`."""
    return load(folder, conf)


def runs_code(folder, conf):
    """Return the files that may run code when they are loaded: a stranger's are loaded on request alone."""
    return []


def _load_pyfunc(path):
    """Return what answers `predict`, for MLflow: the name is MLflow's."""
    from tinyboost import Booster

    return Booster.load(path)
