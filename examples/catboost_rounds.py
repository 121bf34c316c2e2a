"""CatBoost on a table with categories: its rounds, what it chose by itself, and the model, ready to predict."""

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier

import fitscribe

fitscribe.autolog()

rng = np.random.default_rng(0)
X = pd.DataFrame({"age": rng.integers(18, 80, 300), "town": rng.choice(["Graz", "Jena", "Ulm"], 300)})
y = ((X["age"] > 50) ^ (X["town"] == "Ulm")).astype(int)

model = CatBoostClassifier(iterations=60, cat_features=["town"], verbose=False, allow_writing_files=False)
model.fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))

run = fitscribe.last_active_run()
rounds = fitscribe.Client().get_metric_history(run.info.run_id, "validation-Logloss")
print("rounds:", len(rounds) - 1, "and the best once more:", rounds[-1].value == min(each.value for each in rounds))
print("learning rate, chosen by CatBoost:", run.data.params["learning_rate"])
loaded = fitscribe.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
print("predicted:", loaded.predict(pd.DataFrame({"age": [20, 60], "town": ["Ulm", "Ulm"]})).tolist())
