"""Prequential multi-label scores: total, over the last events, and faded.

`Scoreboard` keeps all of them at once, by label names, label indices or whole matrices; the metric classes
give single ones with river's interface.
"""

from ihomer.metrics.progressive import (
    ExampleF1,
    ExampleJaccard,
    HammingLoss,
    LogLoss,
    MacroF1,
    MicroF1,
    MultiLabelMetric,
    MultiLabelMetrics,
    PrecisionAtK,
    SubsetAccuracy,
)
from ihomer.metrics.scoreboard import Scoreboard

__all__ = [
    "ExampleF1",
    "ExampleJaccard",
    "HammingLoss",
    "LogLoss",
    "MacroF1",
    "MicroF1",
    "MultiLabelMetric",
    "MultiLabelMetrics",
    "PrecisionAtK",
    "Scoreboard",
    "SubsetAccuracy",
]
