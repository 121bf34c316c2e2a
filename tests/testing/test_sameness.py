"""Two results of a training are compared by what they hold, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest

from fitscribe.testing.contract.sameness import difference


class Sparse:
    """As scipy's matrices are: with a shape and a dtype, and no array to numpy."""

    def __init__(self, *data: float) -> None:
        self.data = np.array(data)
        self.row = self.col = np.arange(len(data))
        self.shape, self.dtype = (9, 9), self.data.dtype

    def tocoo(self) -> Sparse:
        return self


@pytest.mark.parametrize("wrap", [lambda thing: thing, lambda thing: [thing], lambda thing: {"weights": thing}])
def test_sparse_matrices_are_compared_by_what_they_hold(wrap):
    assert difference(wrap(Sparse(1.0, 2.0)), wrap(Sparse(1.0, 2.0))) == ""
    assert "data" in difference(wrap(Sparse(1.0, 2.0)), wrap(Sparse(1.0, 3.0)))
