"""Summation with Neumaier's variant of Kahan's compensation, a column at a time.

A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974.
"""

from __future__ import annotations

import numpy as np

from services.monitoring.promql.values import Floats


def compensated_sum(terms: Floats) -> Floats:
    """Return the sum of each row, from left to right."""
    total = np.zeros(len(terms))
    lost = np.zeros(len(terms))
    for term in terms.T:
        total, lost = _add(term, total, lost)
    return np.where(np.isinf(total), total, total + lost)


def compensated_mean(terms: Floats) -> Floats:
    """Return the mean of each row, from left to right: by its sum, until that would overflow.

    From there on the mean itself is carried along, as Prometheus does.
    """
    total, lost = np.array(terms[:, 0]), np.zeros(len(terms))
    overflown = np.zeros(len(terms), dtype=np.bool_)
    for count, term in enumerate(terms.T[1:], start=2):
        longer, more_lost = _add(term, total, lost)
        begins = ~overflown & np.isinf(longer)
        carried = np.where(begins, total / (count - 1), total)
        carried_lost = np.where(begins, lost / (count - 1), lost)
        overflown |= begins
        share = (count - 1) / count
        mean, mean_lost = _add(term / count, share * carried, share * carried_lost)
        total = np.where(overflown, mean, longer)
        lost = np.where(overflown, mean_lost, more_lost)
    count = terms.shape[1]
    return np.where(overflown, total + lost, total / count + lost / count)


def _add(term: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Return a sum with one more term, and what all additions so far have rounded away."""
    longer = total + term
    rounded_away = np.where(np.abs(total) >= np.abs(term), (total - longer) + term, (term - longer) + total)
    return longer, np.where(np.isinf(longer), 0.0, lost + rounded_away)
