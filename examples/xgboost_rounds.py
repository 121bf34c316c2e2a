"""Boosting with early stopping: every round of both data sets, the best one, what the features weigh, the booster."""

import json

import numpy as np
import pandas as pd
import xgboost

import fitscribe

fitscribe.autolog()

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(400, 4)), columns=["age", "income", "rooms", "noise"])
y = (X["age"] + X["income"] * X["rooms"] + rng.normal(size=400) > 0).astype(int)
train, test = xgboost.DMatrix(X[:300], y[:300]), xgboost.DMatrix(X[300:], y[300:])

params = {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "eta": 0.3, "max_depth": 3}
evals = [(train, "train"), (test, "test")]
booster = xgboost.train(params, train, 200, evals=evals, early_stopping_rounds=5, verbose_eval=False)

run = fitscribe.last_active_run()
print({key: run.data.params[key] for key in ("eta", "max_depth", "num_boost_round", "early_stopping_rounds")})
print("the best round:", run.data.metrics["best_iteration"] == booster.best_iteration)
print("the last point is the best:", round(run.data.metrics["test-logloss"], 6) == round(booster.best_score, 6))
weights = fitscribe.download_artifacts(run_id=run.info.run_id, artifact_path="feature_importance_weight.json")
with open(weights, encoding="utf-8") as file:
    print("weighed:", sorted(json.load(file)))
loaded = fitscribe.xgboost.load_model(f"runs:/{run.info.run_id}/model")
print("loaded:", np.array_equal(loaded.predict(test), booster.predict(test)))
