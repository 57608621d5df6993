"""What a live run was made with, and how that differs from what it is continued with."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from streams.checkpoint import CheckpointFolder

__all__ = ["ENDS", "MODEL_FROM", "Differences", "differences", "tell_differences"]

ENDS = ("source", "sink")
MODEL_FROM = "model-from"
_OF_MODEL = ("model", "seed", "model-option ")


class Differences(NamedTuple):
    """Names of what differs.

    Attributes
    ----------
    ignored
        Options that a run which is continued has from its start.
    ends
        Where it reads and writes, which it takes from now on.
    """

    ignored: list[str]
    ends: list[str]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Differences:
    """Return what differs between what a run was made with, by the names of options, and what it is continued with.

    A run that began with the model of a file is continued without it: what is said of no model is no difference.

    Examples
    --------
    >>> from streams.made_with import differences
    >>> differences({"seed": 0, "window": 9, "sink": "rain"}, {"seed": 1, "window": 9, "sink": "snow"})
    Differences(ignored=['seed'], ends=['sink'])
    >>> differences({"model-from": "1e7a"}, {"model": "ihomer", "seed": 0})
    Differences(ignored=[], ends=[])
    """
    ends = [name for name in ENDS if name in before and before[name] != now.get(name)]
    names = (before.keys() | now.keys()) - set(ENDS)
    if MODEL_FROM in before and MODEL_FROM not in now:
        names = {name for name in names if name != MODEL_FROM and not name.startswith(_OF_MODEL)}
    return Differences(sorted(name for name in names if before.get(name) != now.get(name)), ends)


def tell_differences(folder: CheckpointFolder, now: Mapping[str, Any], warn: Callable[..., object]) -> None:
    """Warn of what a run was made with and would be made otherwise now, and of other places to read and write, once.

    Parameters
    ----------
    folder
        Where it is written down; if it is not, there is nothing to tell.
    now
        What the run is continued with.
    warn
        Takes an event with fields; as the method `warning` of structlog's loggers does.

    Raises
    ------
    Fenced, OSError
        As `CheckpointFolder.note_made_with`.
    """
    before = folder.made_with()
    if before is None:
        return
    found = differences(before, now)
    if found.ignored:
        warn("options_ignored", options=found.ignored, reason="the run is continued with those of its start")
    if found.ends:
        ends = {name: now.get(name) for name in found.ends}
        warn("ends_changed", **ends, reason="the run goes on there with what it has learned")
        folder.note_made_with({**before, **ends})
