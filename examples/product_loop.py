"""A loop over every combination of settings, each a run by hand, and a filter that finds the pattern."""

from itertools import product

from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import fitscribe

X, y = load_iris(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=1)

fitscribe.set_experiment("tree depth and leaf size")
for max_depth, min_leaf in product([1, 2, 3, 5], [1, 3, 10]):
    with fitscribe.start_run(run_name=f"depth {max_depth}, leaf {min_leaf}"):
        tree = DecisionTreeClassifier(max_depth=max_depth, min_samples_leaf=min_leaf, random_state=0).fit(
            X_train, y_train
        )
        fitscribe.log_params({"max_depth": max_depth, "min_leaf": min_leaf})
        fitscribe.log_metric("train_acc", tree.score(X_train, y_train))
        fitscribe.log_metric("test_acc", tree.score(X_test, y_test))

good = fitscribe.search_runs(
    experiment_names=["tree depth and leaf size"],
    filter_string="params.min_leaf = '3' and metrics.test_acc > 0.44",
    order_by=["metrics.test_acc DESC"],
)
print(good[["tags.mlflow.runName", "params.max_depth", "metrics.train_acc", "metrics.test_acc"]].to_string(index=False))
