"""How fast is every public way to predict and learn, beside other libraries in the same run? And how much memory does it take?

    python -m benchmarks.speed_paths            # about six minutes
    python -m benchmarks.speed_paths --write    # and write results/speed_paths.json

The first 1,500 events of each set in file order. Each model with each form of events has a process of its own, in which
kernels are loaded or compiled by 300 events of a throwaway model first; then each path is run on a new model (predicting: on
one that has learned all events) and the fastest of three runs counts, in processor time, or one where a run takes more than
a second. Making the arguments is not counted. Other models are those of `benchmarks.compare` with their settings there, one
event at a time, predicted then learned, for at most 4 seconds. Memory is the most that the process has used, and how much of
it came after the warm-up. `compile` has the processor seconds of the first use in a new process with an empty cache of
kernels, and with a full one.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from benchmarks.common import events_of, labels_of, load, matrices, require_all_to_write, require_sets, run_command, write
from benchmarks.compare import worker
from benchmarks.compare.models import build
from benchmarks.compare.sets import Rows, Stream
from benchmarks.compare.settings import load as load_settings
from benchmarks.readme_parts import table
from benchmarks.speed import run_python
from ihomer import IHOMERClassifier, MLHATClassifier

SETS = ("yeast", "scene", "tmc2007_500", "bibtex")
EVENTS, WARM_UP = 1500, 300
REPEATS, LONG, BUDGET = 3, 1.0, 4.0  # runs; seconds from which one run is enough; seconds that other models get
TICK = 0.01  # seconds; the clock of the processor moves in such steps on some machines, and a shorter time may be none
MODELS: dict[str, Callable[[], Any]] = {
    "default": IHOMERClassifier,
    "paper": IHOMERClassifier.paper,
    "MLHAT": MLHATClassifier,
}
PEERS = ("BR LR", "BR HT", "BR kNN", "VW multilabel_oaa", "VW plt")
REFERENCE = "BR LR"
TEST_THEN_TRAIN = "test, then train"
_CUT = 20  # labels named by `predict_topk_one`, `answer_many` and `foresee_many`

Run = Callable[[Any], Any]


class PublicPath(NamedTuple):
    """One public path: what is timed, and whether the model has learned the events before."""

    name: str
    run: Run
    after_learning: bool = False


_COMPILE = """
import time
start = time.process_time()
import numpy as np
from ihomer import {name}
imported = time.process_time()
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 12))
Y = (rng.random((300, 6)) < 0.4).astype(np.uint8)
model = {name}()
for row in range(40):
    x = {{f"x{{i}}": X[row, i] for i in range(12)}}
    model.predict_one(x)
    model.learn_one(x, {{str(label) for label in np.flatnonzero(Y[row])}})
one_by_one = time.process_time()
{name}().test_then_train_many(X, Y)
print(imported - start, one_by_one - imported, time.process_time() - one_by_one)
"""


def one_by_one(stream: Stream) -> list[PublicPath]:
    """Return the paths of river's contract; events are dictionaries, labels sets."""
    rows = Rows(stream, dense=False)
    events = [rows.x(row) for row in range(len(stream))]
    labelsets = [{stream.labels[i] for i in np.flatnonzero(row).tolist()} for row in stream.Y]

    def both(model: Any) -> None:
        for x, y in zip(events, labelsets, strict=True):
            model.predict_one(x)
            model.learn_one(x, y)

    def test_then_train(model: Any) -> None:
        for x, y in zip(events, labelsets, strict=True):
            model.test_then_train_one(x, y)

    def learn(model: Any) -> None:
        for x, y in zip(events, labelsets, strict=True):
            model.learn_one(x, y)

    def ask(name: str, *arguments: Any) -> Run:
        def run(model: Any) -> None:
            predict = getattr(model, name)
            for x in events:
                predict(x, *arguments)

        return run

    return [
        PublicPath(TEST_THEN_TRAIN, both),
        PublicPath("test_then_train_one", test_then_train),
        PublicPath("learn_one", learn),
        PublicPath("predict_one", ask("predict_one"), True),
        PublicPath("predict_proba_one", ask("predict_proba_one"), True),
        PublicPath("predict_set_one", ask("predict_set_one"), True),
        PublicPath("predict_topk_one", ask("predict_topk_one", _CUT), True),
    ]


def in_batches(X: Any, Y: Any) -> list[PublicPath]:
    """Return the paths for many events in one of their forms."""
    return [
        PublicPath(TEST_THEN_TRAIN, lambda model: model.test_then_train_many(X, Y)),
        PublicPath("learn_many", lambda model: model.learn_many(X, Y)),
        PublicPath("answer_many", lambda model: model.answer_many(X, Y, _CUT)),
        PublicPath("predict_many", lambda model: model.predict_many(X), True),
        PublicPath("predict_proba_many", lambda model: model.predict_proba_many(X), True),
        PublicPath("foresee_many", lambda model: model.foresee_many(X, _CUT), True),
    ]


def _dense(stream: Stream) -> list[PublicPath]:
    return in_batches(_as_dense(stream.X), stream.Y)


def _sparse(stream: Stream) -> list[PublicPath]:
    return in_batches(sparse.csr_array(stream.X), sparse.csr_array(stream.Y))


def _frame(stream: Stream) -> list[PublicPath]:
    import pandas as pd

    X = pd.DataFrame(_as_dense(stream.X), columns=stream.features)
    return in_batches(X, pd.DataFrame(stream.Y, columns=stream.labels))


def _list(stream: Stream) -> list[PublicPath]:
    rows = Rows(stream, dense=False)
    labelsets = [{stream.labels[i] for i in np.flatnonzero(row).tolist()} for row in stream.Y]
    return in_batches([rows.x(row) for row in range(len(stream))], labelsets)


def _as_dense(X: np.ndarray | sparse.csr_array) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


FORMS: dict[str, Callable[[Stream], list[PublicPath]]] = {
    "one by one": one_by_one,
    "many, array": _dense,
    "many, sparse": _sparse,
    "many, data frame": _frame,
    "many, list": _list,
}


def rate(make: Callable[[], Any], run: Run, n_events: int) -> float:
    """Return the events per second of the fastest of some runs, each on a new model."""
    best = 0.0
    for _ in range(REPEATS):
        model = make()
        start = time.process_time()
        run(model)
        seconds = time.process_time() - start
        best = max(best, n_events / max(seconds, TICK))
        if seconds > LONG:
            break
    return best


def _itself(model: Any) -> Any:
    return model


def ours(name: str, form: str, stream: Stream, all_paths: bool) -> dict[str, Any]:
    """Return events per second of the paths of one of our models in one form, and the memory of learning."""
    make = MODELS[name]
    for path in FORMS[form](stream.part(slice(0, WARM_UP))):
        path.run(make())
    paths = FORMS[form](stream)
    before = worker.peak_memory_mb()
    found: dict[str, Any] = {"events_per_second": {}}
    for path in paths if all_paths else paths[:1]:
        start = make
        if path.after_learning:
            model = make()
            paths[1].run(model)
            start = partial(_itself, model)
        found["events_per_second"][path.name] = round(rate(start, path.run, len(stream)), 1)
        if path is paths[0]:
            found["before_mb"], found["peak_mb"] = round(before, 1), round(worker.peak_memory_mb(), 1)
    return found


def peer(name: str, stream: Stream) -> dict[str, Any]:
    """Return events per second of another model within the budget, how many events that were, and its memory."""
    settings = load_settings().model_tables[name]

    def run(n_events: int, budget: float) -> tuple[int, float]:
        done, seconds = 0, 0.0
        for answers, spent in worker.steps(build(settings, 0, stream), stream, n_events, settings):
            done, seconds = done + len(answers), seconds + spent
            if seconds > budget:
                break
        return done, seconds

    run(min(WARM_UP, len(stream)), 0.5)
    before = worker.peak_memory_mb()
    done, seconds = run(len(stream), BUDGET)
    memory = {"before_mb": round(before, 1), "peak_mb": round(worker.peak_memory_mb(), 1)}
    if seconds < LONG:
        seconds = min([seconds, *(run(len(stream), BUDGET)[1] for _ in range(REPEATS - 1))])
    return {"events_per_second": {TEST_THEN_TRAIN: round(done / max(seconds, TICK), 1)}, "n_events": done, **memory}


def cells(stream: Stream) -> list[tuple[str, str, bool]]:
    """Return model, form and whether all paths are measured; other models have the form "one by one"."""
    natural = "many, sparse" if sparse.issparse(stream.X) else "many, array"
    return [
        *[("default", form, True) for form in FORMS],
        *[(name, form, False) for name in ("paper", "MLHAT") for form in ("one by one", natural)],
        *[(name, "one by one", False) for name in PEERS],
    ]


def measure(model: str, form: str, stream: Stream, all_paths: bool) -> dict[str, Any]:
    """Measure one cell in this process."""
    return ours(model, form, stream, all_paths) if model in MODELS else peer(model, stream)


def in_own_process(stream: Stream, cell: tuple[str, str, bool]) -> dict[str, Any]:
    """Measure one cell in a new process; where it fails the answer says why."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell"
        path.write_bytes(pickle.dumps((stream, cell)))
        command = [sys.executable, "-m", "benchmarks.speed_paths", "--cell", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_set(stream: Stream, say: Callable[[str], None]) -> dict[str, Any]:
    """Return what was measured of a set as model -> form -> result, with ratios to river's logistic regression."""
    found: dict[str, Any] = {}
    for cell in cells(stream):
        model, form, _ = cell
        found.setdefault(model, {})[form] = in_own_process(stream, cell)
        say(f"  {model}, {form}: {found[model][form]}")
    reference = found[REFERENCE]["one by one"].get("events_per_second", {}).get(TEST_THEN_TRAIN)
    for result in (result for forms in found.values() for result in forms.values()):
        if reference and "events_per_second" in result:
            result["over_river"] = {name: round(value / reference, 2) for name, value in result["events_per_second"].items()}
    about = {"n_events": len(stream), "n_features": len(stream.features), "n_labels": len(stream.labels)}
    return {**about, "models": found}


def compile_seconds() -> dict[str, dict[str, float]]:
    """Return the processor seconds to import, then of the first use one by one, then of many; with empty and full cache."""
    found = {}
    for name in ("IHOMERClassifier", "MLHATClassifier"):
        with tempfile.TemporaryDirectory() as cache:
            for when in ("empty cache", "full cache"):
                seconds = run_python(_COMPILE.format(name=name), cache)
                found[f"{name}, {when}"] = dict(zip(("import", "one by one", "many"), seconds, strict=True))
    return found


def stream_of(name: str, n_events: int) -> Stream:
    """Return the first events of a real set."""
    events = events_of(name)[:n_events]
    return Stream(*matrices(events, labels_of(name)))


def paths_block(found: dict[str, Any] | None = None, only: str | None = None) -> str:
    """Return events per second of every path on every set, or of one named path, in brackets over river's logistic regression;
    where the budget of another model ended before the events did, how many it took.
    """
    sets = (found or load("speed_paths"))["sets"]
    rows = []
    for model, form, path in _places(sets):
        if path != (only or path):
            continue
        cells = [_cell(row["models"].get(model, {}).get(form, {}), path, row["n_events"]) for row in sets.values()]
        rows.append([f"{model}, {form}: {path}" if model in MODELS else model, *cells])
    return table([f"events per second (over river's {REFERENCE})", *sets], rows)


def _places(sets: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return model, form and path of each line, in the order in which they were measured."""
    found = [
        (model, form, path)
        for row in sets.values()
        for model, forms in row["models"].items()
        for form, result in forms.items()
        for path in result.get("events_per_second", {TEST_THEN_TRAIN: None})
    ]
    order = {name: i for i, name in enumerate([*MODELS, *PEERS])}
    return sorted(dict.fromkeys(found), key=lambda place: order[place[0]])


def _cell(result: dict[str, Any], path: str, n_events: int) -> str:
    if path not in result.get("events_per_second", {}):
        return "failed" if "failed" in result else ""
    rate = result["events_per_second"][path]
    told = f"{rate:,.0f}" if rate >= 10.0 else f"{rate:.1f}"
    told += f" ({result['over_river'][path]:,.2f})" if "over_river" in result else ""
    return told + (f", first {result['n_events']:,}" if result.get("n_events", n_events) < n_events else "")


def memory_block(found: dict[str, Any] | None = None) -> str:
    """Return the peak memory of each model's process, and in brackets what came after the warm-up."""
    sets = (found or load("speed_paths"))["sets"]
    rows = []
    for model, form in dict.fromkeys((model, form) for model, form, _ in _places(sets)):
        results = [row["models"].get(model, {}).get(form, {}) for row in sets.values()]
        told = [f"{r['peak_mb']:,.0f} (+{r['peak_mb'] - r['before_mb']:,.0f})" if "peak_mb" in r else "" for r in results]
        rows.append([f"{model}, {form}" if model in MODELS else model, *told])
    return table(["peak memory in MB (after the warm-up)", *sets], rows)


def compile_block(found: dict[str, Any] | None = None) -> str:
    """Return the processor seconds of the first use in a new process."""
    rows = [
        [name, *[f"{seconds[part]:.1f}" for part in ("import", "one by one", "many")]]
        for name, seconds in (found or load("speed_paths"))["compile"].items()
    ]
    return table(["processor seconds in a new process", "import", "then 40 events one by one", "then 300 in a batch"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    parser.add_argument("--cell", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("sets", nargs="*", default=list(SETS), help="names of data sets; all by default")
    arguments = parser.parse_args()
    if arguments.cell is not None:
        stream, (model, form, all_paths) = pickle.loads(arguments.cell.read_bytes())
        print(json.dumps(measure(model, form, stream, all_paths)))
        return
    if arguments.write:
        require_all_to_write(parser, arguments.sets, SETS)
    require_sets(parser, arguments.sets)
    result: dict[str, Any] = {"compile": compile_seconds(), "sets": {}}
    print(result["compile"], flush=True)
    for name in arguments.sets:
        print(name, flush=True)
        result["sets"][name] = measure_set(stream_of(name, EVENTS), lambda line: print(line, flush=True))
    print(paths_block(result), memory_block(result), compile_block(result), sep="\n\n")
    if arguments.write:
        write("speed_paths", result)


if __name__ == "__main__":
    run_command(main)
