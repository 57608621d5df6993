"""What recorders have seen, as one page that needs nothing else: no network, no other file."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from ihomer.printable import counted
from streams.evaluate import Settings
from streams.recorder import Recorder
from streams.report_data import stream_data
from streams.results import Failure, Result, versions

__all__ = ["page_of", "report_page"]

# What could end the element that the data stands in, or be taken for markup.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def report_page(streams: Sequence[Mapping[str, Any]], title: str, failed: Sequence[Failure] = ()) -> str:
    """Return a page of HTML that shows streams.

    The page may run its own script and nothing else, and may fetch nothing; names from the data are only ever text.

    Parameters
    ----------
    streams
        What `stream_data` returned, at least one.
    title
        Title of the page.
    failed
        Streams that came to no end; those with partial scores may be among `streams`.

    Raises
    ------
    ValueError
        If there is no stream.

    Examples
    --------
    >>> from streams.html_report import report_page
    >>> from streams.recorder import Recorder
    >>> from streams.report_data import stream_data
    >>> recorder = Recorder()
    >>> recorder.add({"</script>"}, set())
    >>> recorder.sample(1, None, {})
    >>> page = report_page([stream_data(recorder, "days")], "A & B")
    >>> "<title>A &amp; B</title>" in page, page.count("</script>")
    (True, 3)
    """
    if not streams:
        raise ValueError("there is no stream to show")
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_asset("report.html")).substitute(
        title=html.escape(title.encode("utf-8", "replace").decode()),
        style=_asset("report.css"),
        script=script,
        digest=digest,
        data=_embedded(list(streams)),
        failed=_embedded([[failure.stream, failure.error, failure.partial is not None] for failure in failed]),
    )


def _embedded(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def page_of(recorder: Recorder, result: Result, settings: Settings, file: Path | None) -> dict[str, Any]:
    """Return what the page shows of one evaluated file; only its "times" differ from run to run.

    Parameters
    ----------
    recorder
        What has watched the evaluation.
    result, settings, file
        What came out of it, and what it was told.
    """
    facts = {
        "file": "Yeast, as bundled with river" if file is None else file,
        "order": "as in the file" if settings.shuffle is None else f"shuffled, seed {settings.shuffle}",
        **_facts_of_model(settings),
        "labels arrive": f"{counted(settings.delay, 'event')} late" if settings.delay else "at once",
        "window": counted(settings.window, "event"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    if settings.limit is not None:
        facts["limit"] = counted(settings.limit, "event")
    rate = result.events_per_second
    times = {"written": f"{datetime.now():%d %B %Y, %H:%M}", "events per second": None if rate is None else f"{rate:,.0f}"}
    return stream_data(
        recorder,
        result.stream,
        facts=facts,
        counts=result.counts,
        times=times,
        interrupted=result.interrupted,
        error=result.error,
    )


def _facts_of_model(settings: Settings) -> dict[str, Any]:
    if settings.model_from is not None:
        return {"model": f"from {settings.model_from}, which has learned before"}
    options = ", ".join(f"{name}={json.dumps(value)}" for name, value in settings.model_options.items())
    return {"model": settings.model, "settings": options or "default", "seed": settings.seed}


def _asset(name: str) -> str:
    return resources.files("streams").joinpath("assets", name).read_text("utf-8")
