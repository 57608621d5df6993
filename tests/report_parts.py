"""Names and streams that tests of reports share."""

from streams.synthetic import Drift, SyntheticStream

HOSTILE = [
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<!--<script>",
    "]]>",
    "${document.title='taken'}",
    "$data",
    "&lt;b&gt;",
    "\u202eright to left",
    "line\u2028separator",
    "lone \ud800 surrogate",
    "__proto__",
    "constructor",
    "",
    "x" * 10_000,
]


def drifting(n_events, n_labels=30):
    drifts = [Drift(at=n_events // 3, what="features"), Drift(at=2 * n_events // 3, what="correlation")]
    return SyntheticStream(n_events, n_labels=n_labels, groups=5, drifts=drifts, seed=3)
