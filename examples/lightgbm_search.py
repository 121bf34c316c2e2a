"""A search over a LightGBM classifier: a child run for each candidate, and the rounds of the model that came out."""

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV

import fitscribe

fitscribe.autolog()

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
model = LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1)
search = GridSearchCV(model, {"num_leaves": [4, 8], "learning_rate": [0.1, 0.3]}, cv=3)
with fitscribe.start_run(run_name="lightgbm search") as run:
    search.fit(X, y)

children = fitscribe.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"]
)
print(children[["tags.mlflow.runName", "metrics.mean_test_score"]].round(4).to_string(index=False))
print("best:", search.best_params_)
files = {each.path for each in fitscribe.artifacts.list_artifacts(run_id=run.info.run_id)}
print("drawn:", sorted(name for name in files if name.startswith("feature_importance_")))
best = fitscribe.sklearn.load_model(f"runs:/{run.info.run_id}/best_estimator")
print("loaded:", np.array_equal(best.predict(X), search.predict(X)))
