"""A small fit of every family of models that statsmodels has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.gam.api import BSplines, GLMGam
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.othermod.betareg import BetaModel
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.stl import STLForecast
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.vector_ar.vecm import VECM

__all__ = ["FITS", "X", "data", "series"]

rng = np.random.default_rng(0)
data = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120), "group": np.repeat(np.arange(12), 10)})
data["y"] = 1 + 2 * data.a - data.b + rng.normal(size=12)[data.group] + rng.normal(size=120)
data["yes"] = (data.y + rng.normal(size=120) > 1).astype(int)
data["count"] = rng.poisson(np.exp(0.3 * data.a))
data["time"] = rng.exponential(size=120)
data["level"] = np.digitize(data.y, [0.0, 2.0])
data["share"] = 1 / (1 + np.exp(-data.y / 4))
X = sm.add_constant(data[["a", "b"]])
months = pd.date_range("2020-01-01", periods=72, freq="MS")
series = pd.Series(np.cumsum(rng.normal(size=72)) + 50 + 3 * np.sin(np.arange(72) * np.pi / 6), index=months)
several = pd.DataFrame(rng.normal(size=(72, 2)), index=months, columns=["u", "v"])
poisson = sm.families.Poisson()

FITS = {
    "AutoReg": lambda: sm.tsa.AutoReg(series, 2).fit(),
    "ARIMA": lambda: sm.tsa.ARIMA(series, order=(1, 0, 0)).fit(),
    "BetaModel": lambda: BetaModel(data.share, X).fit(disp=0),
    "BinomialBayesMixedGLM": lambda: sm.BinomialBayesMixedGLM.from_formula(
        "yes ~ a", {"group": "0 + C(group)"}, data
    ).fit_vb(),
    "ConditionalLogit": lambda: ConditionalLogit(data.yes, data[["a", "b"]], groups=data.group).fit(disp=0),
    "ETSModel": lambda: ETSModel(series).fit(disp=0),
    "ExponentialSmoothing": lambda: sm.tsa.ExponentialSmoothing(series, trend="add").fit(),
    "Factor": lambda: sm.Factor(data[["a", "b", "y", "time"]].to_numpy(), 1).fit(),
    "GEE": lambda: smf.gee("y ~ a + b", "group", data).fit(),
    "GLM": lambda: smf.glm("count ~ a + b", data, family=poisson).fit(),
    "GLM.fit_constrained": lambda: smf.glm("count ~ a + b", data, family=poisson).fit_constrained("a = b"),
    "GLM.fit_regularized": lambda: smf.glm("count ~ a + b", data, family=poisson).fit_regularized(alpha=0.1),
    "GLMGam": lambda: GLMGam(data.y, X[["const"]], smoother=BSplines(data[["a"]], df=[5], degree=[3])).fit(),
    "GLS": lambda: sm.GLS(data.y, X).fit(),
    "Logit": lambda: smf.logit("yes ~ a + b", data).fit(disp=0),
    "Logit.fit_regularized": lambda: smf.logit("yes ~ a + b", data).fit_regularized(disp=0, alpha=0.5),
    "MNLogit": lambda: sm.MNLogit(data.level, X).fit(disp=0),
    "MixedLM": lambda: smf.mixedlm("y ~ a + b", data, groups="group").fit(),
    "NegativeBinomial": lambda: smf.negativebinomial("count ~ a + b", data).fit(disp=0),
    "OLS": lambda: smf.ols("y ~ a + b", data).fit(),
    "OLS on arrays": lambda: sm.OLS(data.y.to_numpy(), X.to_numpy()).fit(),
    "OLS.fit_regularized": lambda: sm.OLS(data.y, X).fit_regularized(alpha=0.1),
    "OrderedModel": lambda: OrderedModel(data.level, data[["a", "b"]]).fit(disp=0, method="bfgs"),
    "PHReg": lambda: smf.phreg("time ~ a + b", data).fit(),
    "Poisson": lambda: smf.poisson("count ~ a + b", data).fit(disp=0),
    "QuantReg": lambda: smf.quantreg("y ~ a + b", data).fit(q=0.25),
    "RLM": lambda: sm.RLM(data.y, X).fit(),
    "RecursiveLS": lambda: sm.RecursiveLS(data.y, X).fit(),
    "SARIMAX": lambda: sm.tsa.SARIMAX(series, order=(1, 0, 0), trend="c").fit(disp=0),
    "STLForecast": lambda: STLForecast(series, sm.tsa.ARIMA, model_kwargs={"order": (1, 0, 0)}).fit(),
    "ThetaModel": lambda: ThetaModel(series).fit(),
    "UnobservedComponents": lambda: sm.tsa.UnobservedComponents(series, "local level").fit(disp=0),
    "VAR": lambda: sm.tsa.VAR(several).fit(2),
    "VARMAX": lambda: sm.tsa.VARMAX(several[:24], order=(1, 0)).fit(disp=0, maxiter=1),
    "VECM": lambda: VECM(several.cumsum(), coint_rank=1).fit(),
    "WLS": lambda: sm.WLS(data.y, X, weights=data.time).fit(),
    "ZeroInflatedPoisson": lambda: sm.ZeroInflatedPoisson(data["count"], X).fit(disp=0),
}
