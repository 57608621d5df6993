"""Statistics of models compared on many streams (Demšar 2006), on tables float[streams, models] where more is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

TIE_DIGITS = 3  # scores that print alike are a tie


def ranks(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each model on each stream: 1 is best, ties share their mean rank; nan ranks after all others.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.report.statistics import ranks
    >>> ranks(np.array([[0.3, 0.5, 0.3], [0.1, np.nan, np.nan]])).tolist()
    [[2.5, 1.0, 2.5], [1.0, 2.5, 2.5]]
    """
    worst = np.where(np.isnan(table), -np.inf, table)
    found: NDArray[np.float64] = stats.rankdata(-worst, axis=1)
    return found


@dataclass(frozen=True)
class Friedman:
    """Friedman's test whether all models rank alike.

    Attributes
    ----------
    chi2, p
        The chi-squared statistic and its p value.
    f, f_p
        The F statistic of Iman and Davenport, which is less conservative, and its p value.
    """

    chi2: float
    p: float
    f: float
    f_p: float


def friedman(table: NDArray[np.float64]) -> Friedman:
    """Test whether the models of a table without nan differ.

    Raises
    ------
    ValueError
        If there are fewer than 3 models or 2 streams, or values are missing.
    """
    n_streams, n_models = table.shape
    if n_models < 3 or n_streams < 2 or np.isnan(table).any():
        raise ValueError("Friedman's test needs 3 models, 2 streams and no missing values")
    if (table == table[:, :1]).all():
        return Friedman(0.0, 1.0, 0.0, 1.0)
    chi2, p = stats.friedmanchisquare(*table.T)
    degrees = n_streams * (n_models - 1)
    f = (n_streams - 1) * chi2 / (degrees - chi2) if chi2 < degrees else np.inf
    f_p = stats.f.sf(f, n_models - 1, (n_models - 1) * (n_streams - 1))
    return Friedman(float(chi2), float(p), float(f), float(f_p))


def critical_difference(n_models: int, n_streams: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference: mean ranks further apart differ significantly.

    Examples
    --------
    >>> from benchmarks.report.statistics import critical_difference
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    q = stats.studentized_range.ppf(1.0 - alpha, n_models, np.inf) / np.sqrt(2.0)
    return float(q * np.sqrt(n_models * (n_models + 1) / (6.0 * n_streams)))


def cliques(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return the longest runs (first, last) of rising mean ranks within the critical difference, of two models or more.

    Examples
    --------
    >>> from benchmarks.report.statistics import cliques
    >>> cliques([1.0, 1.5, 2.4, 4.0], difference=1.2)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(mean_ranks)):
        last = max(i for i in range(first, len(mean_ranks)) if mean_ranks[i] - mean_ranks[first] <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm for their number.

    Examples
    --------
    >>> from benchmarks.report.statistics import holm
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p)
    highest = 0.0
    for i, place in enumerate(np.argsort(p, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(p) - i) * p[place]))
        adjusted[place] = highest
    return adjusted


@dataclass(frozen=True)
class Versus:
    """One model against another on the streams that both finished.

    Attributes
    ----------
    wins, ties, losses
        Number of streams on which the first is better, alike to three digits, worse.
    p
        P value of Wilcoxon's signed-rank test, two-sided, exact where there are no ties; 1 if all are alike.
    """

    wins: int
    ties: int
    losses: int
    p: float


def versus(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Versus:
    """Compare two columns of a table; streams where one is nan are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.report.statistics import versus
    >>> versus(np.array([0.5, 0.6, 0.7, 0.2]), np.array([0.4, 0.6001, 0.5, np.nan]))
    Versus(wins=2, ties=1, losses=0, p=0.5)
    """
    both = ~(np.isnan(ours) | np.isnan(theirs))
    difference = np.round(ours[both], TIE_DIGITS) - np.round(theirs[both], TIE_DIGITS)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    p = 1.0
    if wins + losses:
        # Rounded once more, so that equal differences tie: in binary they differ in the last bit.
        apart = np.round(difference[difference != 0], TIE_DIGITS)
        p = float(stats.wilcoxon(apart, method="auto").pvalue)
    return Versus(wins, len(difference) - wins - losses, losses, p)


def relative_improvement(ours: NDArray[np.float64], theirs: NDArray[np.float64], less_is_better: bool = False) -> float:
    """Return by which share our mean score over the streams that both finished exceeds theirs, nan if theirs is 0.

    For a loss: by which share our mean is lower.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.report.statistics import relative_improvement
    >>> round(relative_improvement(np.array([0.5, 0.7, 0.9]), np.array([0.4, 0.6, np.nan])), 3)
    0.2
    """
    both = ~(np.isnan(ours) | np.isnan(theirs))
    if not both.any() or theirs[both].mean() == 0.0:
        return float("nan")
    gain = float(ours[both].mean() / theirs[both].mean() - 1.0)
    return 0.0 - gain if less_is_better else gain


def group_improvement(gains: Sequence[float]) -> tuple[float, float, float, int]:
    """Return mean, lowest and highest of the gains over the baselines of a group, and how many have one."""
    known: list[Any] = [gain for gain in gains if gain == gain]
    if not known:
        return float("nan"), float("nan"), float("nan"), 0
    return float(np.mean(known)), float(min(known)), float(max(known)), len(known)
