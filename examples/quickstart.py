"""The main job: train as ever, with one line added, and look at what was recorded.

Without a setting, everything goes to the embedded store `.fitscribe/` in the working directory.
"""

import fitscribe

fitscribe.autolog()  # the one added line; all below is scikit-learn as ever

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
RandomForestClassifier(n_estimators=50, random_state=0).fit(X_train, y_train)
search = GridSearchCV(
    make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1, 10], "svc__kernel": ["rbf", "linear"]}
)
search.fit(X_train, y_train)
print(f"accuracy of the best on the test set: {search.score(X_test, y_test):.3f}")

if __name__ == "__main__":
    from rich.console import Console

    from fitscribe.cli.tables import artifact_tree, runs_table

    console = Console()
    parent = fitscribe.last_active_run()
    runs = fitscribe.search_runs(output_format="list")
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    others = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    console.print(runs_table(others, title="Your runs", without=["id", "start"]))
    console.print(runs_table(children, title="The candidates of the grid search", without=["id", "start"]))
    client = fitscribe.Client()
    files = artifact_tree(lambda path: client.list_artifacts(parent.info.run_id, path), title="Artifacts of the search")
    console.print(files)
    console.print(f"They are in {parent.info.artifact_uri}", soft_wrap=True)
    console.print("Again later, in this folder: [bold]python -m fitscribe runs[/bold]")
