"""ihomer: multi-label learning on data streams."""

from ihomer.classifier import IHOMERClassifier
from ihomer.partition import LabelPartition
from ihomer.tree import MLHATClassifier

__all__ = ["IHOMERClassifier", "LabelPartition", "MLHATClassifier"]
