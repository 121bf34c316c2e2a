"""A pipeline of a scaler and a regression: one run, with the params of every step."""

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import fitscribe

fitscribe.autolog()

X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
y = np.dot(X, np.array([1, 2])) + 3

with fitscribe.start_run(run_name="pipeline"):
    Pipeline([("scaler", StandardScaler()), ("lr", LinearRegression())]).fit(X, y)

params = fitscribe.last_active_run().data.params
print({name: params[name] for name in ("lr__fit_intercept", "scaler__with_mean", "steps")})
