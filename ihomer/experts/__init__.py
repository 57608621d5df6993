"""Experts: cheap online learners, each of which gives log-odds for all labels; and the rows that they are shown."""

from ihomer.experts.base import Expert, Rows
from ihomer.experts.bayes import Bayes
from ihomer.experts.frequency import Frequency
from ihomer.experts.linear import Linear
from ihomer.experts.neighbours import Neighbours
from ihomer.experts.rehearsal import Rehearsal
from ihomer.experts.ridge import Ridge

__all__ = ["EXPERTS", "Expert", "Rows"]

EXPERTS: dict[str, type[Expert]] = {
    "frequency": Frequency,
    "rehearsal": Rehearsal,
    "neighbours": Neighbours,
    "linear": Linear,
    "ridge": Ridge,
    "bayes": Bayes,
}
"""Name of a family of experts -> its class. "frequency" is always there, and first: the others start from its rate.
"rehearsal" comes before those that it tells which features matter.
"""
