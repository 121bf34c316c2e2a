"""A study of Optuna: each trial is a run while it is tried, hopeless ones are pruned, and the best one is marked."""

import optuna
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import fitscribe

fitscribe.optuna.autolog()  # the trials alone; with `fitscribe.autolog()` each training has a run below its trial
optuna.logging.set_verbosity(optuna.logging.ERROR)
X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)


def objective(trial: optuna.Trial) -> float:
    """Train for up to six passes over the digits; return the share that is read correctly."""
    model = SGDClassifier(alpha=trial.suggest_float("alpha", 1e-6, 1e2, log=True), random_state=0)
    score = 0.0
    for epoch in range(6):
        model.partial_fit(X_train, y_train, classes=range(10))
        score = model.score(X_test, y_test)
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return score


sampler, pruner = optuna.samplers.TPESampler(seed=0), optuna.pruners.MedianPruner(n_startup_trials=4)
study = optuna.create_study(study_name="digits", direction="maximize", sampler=sampler, pruner=pruner)
study.optimize(objective, n_trials=8)

runs = fitscribe.search_runs(order_by=["metrics.value DESC"])
trials = runs[runs["tags.optuna.trial_state"].notna()]
print(trials[["tags.mlflow.runName", "status", "params.alpha", "metrics.value"]].to_string(index=False))
found = runs[runs["tags.fitscribe.study"] == "digits"].iloc[0]
print("progress:", found["tags.fitscribe.progress"], found["tags.fitscribe.trials"])
print("the best is marked:", found["tags.fitscribe.best_trial"] == str(study.best_trial.number))
