"""A grid search over the kernels and C of an SVC: every candidate is a child run, shown in a table as it comes in."""

import threading

from rich.console import Console
from rich.live import Live
from rich.table import Table
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import fitscribe

fitscribe.autolog()
KEYS = ["params.kernel", "params.C", "metrics.mean_test_score", "metrics.std_test_score", "metrics.rank_test_score"]


def candidates(parent):
    found = fitscribe.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent}'", order_by=[f"{KEYS[2]} DESC"])
    table = Table("candidate", "status", *KEYS)
    for _, run in found.reindex(columns=["tags.mlflow.runName", "status", *KEYS]).iterrows():
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in run))
    return table


def follow(parent, live, over):
    while not over.wait(0.5):
        live.update(candidates(parent), refresh=True)


X, y = load_iris(return_X_y=True)
search = GridSearchCV(SVC(), {"kernel": ["linear", "rbf"], "C": [1, 5, 10]})
over = threading.Event()
with Live(console=Console(width=160), auto_refresh=False) as live:  # where there is no terminal, it prints at its end
    with fitscribe.start_run(run_name="grid search") as run:
        following = threading.Thread(target=follow, args=(run.info.run_id, live, over), daemon=True)
        following.start()
        search.fit(X, y)
        over.set()
    following.join()
    live.update(candidates(run.info.run_id), refresh=True)
print(f"\nbest: {search.best_params_}")
