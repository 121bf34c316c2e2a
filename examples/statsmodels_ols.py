"""Regressions by formula: each fit is a run with its settings, criteria, coefficients and summary."""

import json
from pathlib import Path

import fitscribe

fitscribe.autolog()

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

rng = np.random.default_rng(0)
houses = pd.DataFrame({"area": rng.normal(100, 25, 200), "age": rng.uniform(0, 80, 200)})
houses["price"] = 50 + 3 * houses.area - 0.8 * houses.age + rng.normal(0, 20, 200)

for formula in ("price ~ area", "price ~ area + age", "price ~ area * age"):
    smf.ols(formula, houses).fit()

shown = ["params.formula", "metrics.aic", "metrics.rsquared_adj"]
print(fitscribe.search_runs(order_by=["metrics.aic"])[shown].round(2).to_string(index=False))

best = fitscribe.search_runs(order_by=["metrics.aic"], max_results=1).run_id[0]
table = json.loads(Path(fitscribe.artifacts.download_artifacts(f"runs:/{best}/coefficients.json")).read_text())
for name, value, *_, lower, upper in table["data"]:
    print(f"{name}: {value:.1f}, 95 % of the time in {lower:.1f} to {upper:.1f}")

results = fitscribe.statsmodels.load_model(f"runs:/{best}/model")
print("predicted:", results.predict(pd.DataFrame({"area": [120.0], "age": [10.0]})).round(0).tolist())
