"""What a live run was made with, and how that differs from what it is continued with."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from streams.checkpoint import CheckpointFolder

__all__ = ["ENDS", "MODEL_FROM", "Differences", "differences", "tell_differences"]

ENDS = ("source", "labels", "sink")
MODEL_FROM = "model-from"
_OF_MODEL = ("model", "seed", "model-option ")
_USUAL = {"model": "ihomer", "seed": 0}  # said of a model where nothing is


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

    A run that began with the model of a file is continued without it: that nothing is said of a model is no difference, nor is
    that the file is gone, of which "model-from" is None then.

    Examples
    --------
    >>> from streams.made_with import differences
    >>> differences({"seed": 0, "window": 9, "sink": "rain"}, {"seed": 1, "window": 9, "sink": "snow"})
    Differences(ignored=['seed'], ends=['sink'])
    >>> differences({"model-from": "1e7a"}, {"model": "ihomer", "seed": 0})
    Differences(ignored=[], ends=[])
    """
    ends = [name for name in ENDS if name in before and before[name] != now.get(name)]
    names = (before.keys() | now.keys()) - {*ENDS, MODEL_FROM}
    ignored = [name for name in names if before.get(name) != now.get(name)]
    if MODEL_FROM in now:  # and so nothing else of a model
        ignored = [name for name in ignored if not name.startswith(_OF_MODEL)]
        if MODEL_FROM not in before or now[MODEL_FROM] not in (None, before[MODEL_FROM]):
            ignored.append(MODEL_FROM)
    elif MODEL_FROM in before:
        ignored = [name for name in ignored if now.get(name) != _USUAL.get(name)]
    return Differences(sorted(ignored), ends)


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
    ends = {name: now[name] for name in ENDS if name in now and before.get(name) != now[name]}
    if ends:
        folder.note_made_with({**before, **ends})
