"""Seven elastic nets with different settings, each a run with its metrics, a plot of its path, and the model."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, enet_path
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

import fitscribe

SETTINGS = [(0.01, 0.01), (0.01, 0.75), (0.01, 1), (0.05, 0.01), (0.05, 0.5), (0.05, 1), (0.5, 1)]

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=42)


def path_plot(l1_ratio: float) -> Figure:
    """Draw how the coefficients shrink as alpha grows."""
    alphas, coefficients, _ = enet_path(X, y, eps=5e-3, l1_ratio=l1_ratio)
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot(-np.log10(alphas), coefficients.T)
    axes.set(xlabel="-log(alpha)", ylabel="coefficients", title=f"Elastic net path, l1_ratio = {l1_ratio}")
    return figure


fitscribe.set_experiment("elastic net")
for alpha, l1_ratio in SETTINGS:
    with fitscribe.start_run():
        model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=42).fit(X_train, y_train)
        predicted = model.predict(X_test)
        fitscribe.log_params({"alpha": alpha, "l1_ratio": l1_ratio})
        fitscribe.log_metrics(
            {
                "rmse": mean_squared_error(y_test, predicted) ** 0.5,
                "mae": mean_absolute_error(y_test, predicted),
                "r2": r2_score(y_test, predicted),
            }
        )
        fitscribe.log_figure(path_plot(l1_ratio), "ElasticNet-paths.png")
        fitscribe.sklearn.log_model(model, name="model", serialization_format="cloudpickle")

table = fitscribe.search_runs(experiment_names=["elastic net"], order_by=["metrics.rmse ASC"])
print(table[["params.alpha", "params.l1_ratio", "metrics.rmse", "metrics.mae", "metrics.r2"]].to_string(index=False))
