"""The real MLflow, in a process that knows nothing of fitscribe: `python theirs.py FOLDER`.

What lies in FOLDER/ours it loads both ways and asks for predictions; the same models it saves itself, to FOLDER/theirs.
Answers go to FOLDER/answers.pkl: by name, the model's class and the predictions of `pyfunc`.
"""

import importlib
import pickle
import sys
import warnings
from pathlib import Path

import mlflow

warnings.simplefilter("ignore")
TOP = Path(sys.argv[1])


def answers(folder, data):
    flavor = next(iter(set(mlflow.models.Model.load(str(folder)).flavors) - {"python_function"}))
    theirs = importlib.import_module(f"mlflow.{flavor}")
    model = theirs.load_model(str(folder))
    by_pyfunc = mlflow.pyfunc.load_model(str(folder)).predict(data)
    theirs.save_model(model, str(TOP / "theirs" / folder.name), pip_requirements=[flavor])  # to infer them takes long
    return type(model).__name__, by_pyfunc


data = pickle.loads((TOP / "data.pkl").read_bytes())
found = {each.name: answers(each, data) for each in sorted((TOP / "ours").iterdir())}
(TOP / "answers.pkl").write_bytes(pickle.dumps(found))
