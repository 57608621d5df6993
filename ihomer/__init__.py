"""ihomer: multi-label learning on data streams."""

from ihomer.tree import MLHATClassifier

__all__ = ["MLHATClassifier"]
