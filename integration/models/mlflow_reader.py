"""The other side of the model tests: what the real MLflow, in a process of its own, makes of model folders.

Run as `python mlflow_reader.py JOBS ANSWERS`, two pickle files. JOBS is a list of (name of a function here, its
arguments, its keyword arguments); ANSWERS becomes the list of what they returned.
"""

import pickle
import sys
import warnings
from pathlib import Path


def use(folder, data):
    """Load a model both ways and use it: (predictions or transformed, pyfunc's predictions or None)."""
    import mlflow

    model = mlflow.sklearn.load_model(str(folder))
    used = model.predict(data) if hasattr(model, "predict") else model.transform(data)
    flavors = mlflow.models.Model.load(str(folder)).flavors
    by_pyfunc = mlflow.pyfunc.load_model(str(folder)).predict(data) if "python_function" in flavors else None
    return used, by_pyfunc


def save(folder, theirs, **options):
    """Save a model of ours once more, by MLflow itself."""
    import mlflow

    if options.get("signature"):
        options["signature"] = mlflow.models.ModelSignature.from_dict(options["signature"])
    mlflow.sklearn.save_model(mlflow.sklearn.load_model(str(folder)), str(theirs), **options)


def sign(folder, data):
    """Write a signature into a model that lies there, as MLflow does."""
    import mlflow

    mlflow.models.set_signature(str(folder), mlflow.models.infer_signature(data))


def example(folder):
    """Read the input example with its metadata's reader."""
    import mlflow

    return mlflow.models.Model.load(str(folder)).load_input_example(str(folder))


def dependencies(folder):
    """Read the requirements as `mlflow` does for whoever serves the model."""
    import mlflow

    return Path(mlflow.pyfunc.get_model_dependencies(str(folder))).read_text().splitlines()


def infer(data):
    """Return MLflow's own signature of an input, as the dict of an MLmodel file."""
    import mlflow

    return mlflow.models.infer_signature(data).to_dict()


def enforce(signature, data):
    """Check data against a signature: "passed", or what a user would read."""
    import mlflow

    try:
        mlflow.models.validate_schema(data, mlflow.models.ModelSignature.from_dict(signature).inputs)
    except (mlflow.exceptions.MlflowException, AttributeError, TypeError) as error:
        return str(error)
    return "passed"


def dataset(kind, features, targets):
    """Return MLflow's own record of a dataset."""
    import mlflow

    made = mlflow.data.from_pandas(features) if kind == "pandas" else mlflow.data.from_numpy(features, targets=targets)
    return made.to_dict()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    jobs = pickle.loads(Path(sys.argv[1]).read_bytes())
    answers = [globals()[name](*arguments, **options) for name, arguments, options in jobs]
    assert "fitscribe" not in sys.modules
    Path(sys.argv[2]).write_bytes(pickle.dumps(answers))
