"""How much counters grew: between neighbours, across blocks, over gaps and resets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def increases(before: Values, values: Values) -> tuple[Values, Values]:
    """Growth at each sample since the one before it, and the newest value of each row.

    A value that is lower than the one before means that the counter began anew from 0.
    The first sample of all has nothing to grow from.

    Args:
        before: The newest value of each row so far, NaN for none.
        values: The samples that follow; NaN where there is none.
    """
    whole = np.concatenate([before[:, None], values], axis=1)
    source = np.where(np.isnan(whole), 0, np.arange(whole.shape[1]))
    np.maximum.accumulate(source, axis=1, out=source)
    filled = np.take_along_axis(whole, source, axis=1)
    grown = np.diff(filled, axis=1)
    grown = np.where(grown < 0, filled[:, 1:], grown)
    return np.nan_to_num(grown, nan=0.0, posinf=0.0), filled[:, -1]
