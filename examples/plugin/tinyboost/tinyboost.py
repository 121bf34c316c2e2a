"""tinyboost: boosted stumps, small enough to be read in one go. It knows nothing of fitscribe."""

import itertools
import json
from pathlib import Path

import numpy as np

__all__ = ["Booster", "search", "train"]
__version__ = "1.2.0"
DEFAULTS = {"rate": 0.3, "cuts": 16}


class Booster:
    """A sum of stumps: [column, threshold, value below, value above]."""

    def __init__(self, stumps):
        self.stumps = stumps

    def predict(self, X):
        X = np.asarray(X, dtype=float)
        each = [np.where(X[:, column] < threshold, below, above) for column, threshold, below, above in self.stumps]
        return np.sum(each, axis=0) if each else np.zeros(len(X))

    def importance(self):
        """How often each column was cut, as {column: cuts}."""
        columns = [stump[0] for stump in self.stumps]
        return {column: columns.count(column) for column in sorted(set(columns))}

    def save(self, path):
        Path(path).write_text(json.dumps(self.stumps), encoding="utf-8")

    @classmethod
    def load(cls, path):
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    def __eq__(self, other):
        return isinstance(other, Booster) and self.stumps == other.stumps

    __hash__ = None


def train(params, X, y, rounds=10, callbacks=()):
    """Boost; after each round every callback is called as `callback(round, {"mse": ...})`."""
    params = {**DEFAULTS, **params}
    if not 0 < params["rate"] <= 1:
        raise ValueError(f"rate={params['rate']} is not above 0 and at most 1")
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    booster, left = Booster([]), y.copy()
    for number in range(rounds):
        stump = _best_stump(X, left, params["cuts"])
        stump[2:] = [value * params["rate"] for value in stump[2:]]
        booster.stumps.append(stump)
        left = y - booster.predict(X)
        for callback in callbacks:
            callback(number, {"mse": float(np.mean(left**2))})
    return booster


def search(space, X, y, rounds=10):
    """Train with every combination of `{name: [values]}`; return the best params, and the booster they gave."""
    results = []
    for values in itertools.product(*space.values()):
        params = dict(zip(space, values, strict=True))
        booster = train(params, X, y, rounds)
        results.append((float(np.mean((y - booster.predict(X)) ** 2)), params, booster))
    _, params, booster = min(results, key=lambda result: result[0])
    return params, booster


def _best_stump(X, left, cuts):
    best, lowest = None, np.inf
    for column in range(X.shape[1]):
        for threshold in np.unique(np.quantile(X[:, column], np.linspace(0, 1, cuts + 2)[1:-1])):
            under = X[:, column] < threshold
            if under.any() and not under.all():
                below, above = left[under].mean(), left[~under].mean()
                error = ((left - np.where(under, below, above)) ** 2).sum()
                if error < lowest:
                    best, lowest = [column, float(threshold), float(below), float(above)], error
    return best or [0, 0.0, 0.0, 0.0]
