"""A grid search over the kernels and C of an SVC: every candidate is a child run, read back as a table."""

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import fitscribe

fitscribe.autolog()

X, y = load_iris(return_X_y=True)
search = GridSearchCV(SVC(), {"kernel": ["linear", "rbf"], "C": [1, 5, 10]})

with fitscribe.start_run(run_name="grid search") as run:
    search.fit(X, y)

children = fitscribe.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'",
    order_by=["metrics.mean_test_score DESC"],
)
wanted = ["params.kernel", "params.C", "metrics.mean_test_score", "metrics.std_test_score", "metrics.rank_test_score"]
print(children[wanted].to_string(index=False))
