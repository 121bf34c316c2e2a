"""An estimator that takes as long as it is told to."""

from __future__ import annotations

import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

PAUSE = 0.1  # seconds


class Waits(ClassifierMixin, BaseEstimator):
    """Learns nothing; a mark below 0 is a mistake."""

    def __init__(self, pauses=1, mark=0):
        self.pauses, self.mark = pauses, mark

    def fit(self, X, y):
        time.sleep(PAUSE * self.pauses)
        if self.mark < 0:
            raise ValueError(f"mark is {self.mark}")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mark % 3)
