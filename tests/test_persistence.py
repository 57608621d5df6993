"""Models in files: what is saved comes back bit by bit, and what is not as it should be is refused."""

import contextlib
import copy
import json
import math
import os
import pickle
import random
import re
import resource
import signal
import stat
import tracemalloc
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import datasets

from benchmarks import file_damage, fuzz_files
from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.baselines import MajorityLabelset, PreviousLabelset
from ihomer.kernels import adwin, partition_counts, ranks
from ihomer.kernels.scaling import NEGATIVE
from ihomer.metrics import LogLoss, MacroF1, MicroF1, PrecisionAtK, Scoreboard
from ihomer.persistence import KINDS, ModelFileError, load, pack, save, unpack, write_file
from ihomer.saved.values import Reader, Writer

TREE = MLHATClassifier(
    grace_period=20, delta=0.4, tau=3.0, young_weight=15, window=20, n_models=2, max_leaves=12, adwin_delta=0.9
)
CLUSTERS = LabelPartition(n_min=25, max_labels=8, max_pairs=64)
MODELS = {
    "default": lambda: IHOMERClassifier(seed=1),
    "forgetting": lambda: IHOMERClassifier(seed=2, clustering=CLUSTERS, max_features=24, most_labelsets=64, most_labels=5),
    "trees": lambda: IHOMERClassifier.paper(tree=TREE, clustering=CLUSTERS, replay=30, max_features=24),
    "mixed": lambda: IHOMERClassifier(experts=("linear", "tree"), tree=TREE, objective="micro_f1", replay=20),
    "paper": lambda: IHOMERClassifier.paper(),
    "one tree": lambda: TREE.clone({"max_labels": 8, "max_features": 24}),
}


def learned(model: Any, stream: list[tuple[Any, Any]]) -> Any:
    for x, y in stream:
        model.learn_one(x, y)
    return model


def small() -> Any:
    return learned(IHOMERClassifier(experts=("linear", "bayes")), [({"a": 1.0, "b": 2.0}, {"u", "v"}), ({"a": 3.0}, {"u"})])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    small().save(tmp_path / "model")
    return tmp_path / "model"


# The same model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_goes_on_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    stream = fuzz_files.events(400, 5)
    model = learned(MODELS[name](), stream[:250])
    model.save(tmp_path / "first")
    again = type(model).load(tmp_path / "first")
    assert pack(again, KINDS) == (tmp_path / "first").read_bytes()
    for x, y in stream[250:]:
        assert again.predict_proba_one(x) == model.predict_proba_one(x)
        model.learn_one(x, y)
        again.learn_one(x, y)
    assert pack(again, KINDS) == pack(model, KINDS)
    x = stream[0][0]
    assert (again.debug_one(x), again.draw("text"), again.summary, again.drifts) == (
        model.debug_one(x), model.draw("text"), model.summary, model.drifts)  # fmt: skip


def test_a_model_goes_on_over_many_interruptions(tmp_path: Path) -> None:
    stream = fuzz_files.events(200, 6)
    model, again = MODELS["mixed"](), MODELS["mixed"]()
    for i, (x, y) in enumerate(stream):
        model.learn_one(x, y)
        again.learn_one(x, y)
        if i % 20 == 0:
            again.save(tmp_path / "model")
            again = IHOMERClassifier.load(tmp_path / "model")
    assert pack(again, KINDS) == pack(model, KINDS)


@pytest.mark.parametrize("name", ["default", "trees", "one tree"])
def test_a_loaded_model_is_pickled_copied_and_cloned(name: str) -> None:
    model = unpack(pack(learned(MODELS[name](), fuzz_files.events(150, 7)), KINDS), KINDS)
    assert pack(pickle.loads(pickle.dumps(model)), KINDS) == pack(model, KINDS)
    assert pack(copy.deepcopy(model), KINDS) == pack(model, KINDS)
    assert pack(model.clone(), KINDS) == pack(MODELS[name](), KINDS)


def test_an_empty_model_and_one_without_labels() -> None:
    for stream in ([], [({}, set())], [({"a": 1.0}, [])], [({}, {"u"})]):
        for name in MODELS:
            model = learned(MODELS[name](), stream)
            again = learned(unpack(pack(model, KINDS), KINDS), fuzz_files.events(30, 8))
            assert pack(again, KINDS) == pack(learned(model, fuzz_files.events(30, 8)), KINDS)


@pytest.mark.parametrize("name", ["default", "trees", "one tree"])
def test_counters_at_their_end_and_sums_beyond_all_bounds_are_no_end(name: str) -> None:
    model = learned(MODELS[name](), fuzz_files.events(150, 8))
    model.n_learned = 2**53 - 3
    if isinstance(model, IHOMERClassifier):
        detector, trees = model._detector, [member.learner for member in model._members]
        model.partition._counts.meta[[partition_counts.EVENTS, partition_counts.WORK]] = 2**53 - 3
    else:
        detector, trees = model._learner.state.detector, [model._learner]
    for tree in trees:
        tree.state.header[0]["n_events"] = 2**53 - 3
    detector[:, [adwin.TOTAL, adwin.VARIANCE]] = math.inf, math.nan
    for seed in range(3):
        model = learned(unpack(pack(model, KINDS), KINDS), fuzz_files.events(40, seed))
    assert unpack(pack(model, KINDS), KINDS).n_learned == 2**53


@pytest.mark.parametrize("name", ["default", "forgetting", "trees", "one tree"])
def test_batches_give_the_same_bytes(name: str) -> None:
    stream = fuzz_files.events(300, 9)
    one = learned(MODELS[name](), stream)
    for size in (7, 300):
        many = MODELS[name]()
        for start in range(0, len(stream), size):
            part = stream[start : start + size]
            many.learn_many([x for x, _ in part], [y for _, y in part])
        assert pack(many, KINDS) == pack(one, KINDS)


@pytest.mark.parametrize("make", [MODELS["default"], MODELS["mixed"], lambda: TREE.clone()])
def test_matrices_give_the_same_bytes(make: Any) -> None:
    r = np.random.default_rng(2)
    X = np.where(r.random((300, 20)) < 0.3, r.normal(size=(300, 20)), 0.0)
    X[:100, 10:] = 0.0
    X[150, 3] = X[200, 15] = np.nan
    Y = (r.random((300, 6)) < 0.3).astype(float)
    Y[50, 2] = np.nan
    one, many = make(), make()
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        truth = {i: None if math.isnan(v) else v == 1.0 for i, v in enumerate(y)}
        one.learn_one({i: v for i, v in enumerate(x) if v != 0.0}, truth)
    many.learn_many(X[:90], Y[:90])
    many.learn_many(X[90:], Y[90:])
    assert pack(many, KINDS) == pack(one, KINDS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_extreme_values_is_saved_and_loaded(name: str) -> None:
    r = random.Random(4)
    model = MODELS[name]()
    for i in range(120):
        x = {f"f{r.randrange(9)}": r.choice((1e100, -1e100, 1e-300, 1e60, 1.0, None)) for _ in range(4)}
        model.learn_one(x, {r.randrange(12) for _ in range(i % 4)}, r.choice((1.0, 1e9, 1e-100, 1e-12)))
    again = unpack(pack(model, KINDS), KINDS)
    assert pack(again, KINDS) == pack(model, KINDS)


def test_predictions_leave_the_bytes_as_they_are() -> None:
    model = learned(MODELS["mixed"](), fuzz_files.events(100, 3))
    before = pack(model, KINDS)
    model.predict_many([x for x, _ in fuzz_files.events(50, 4, n_features=60)])
    assert pack(model, KINDS) == before


@pytest.mark.parametrize("model", [PreviousLabelset(), MajorityLabelset(3)])
def test_baselines_come_back(model: Any, tmp_path: Path) -> None:
    stream = list(datasets.Yeast().take(200))
    learned(model, stream[:100])
    save(model, tmp_path / "model")
    again = load(tmp_path / "model", type(model))
    assert list(again.predict_one({}).items()) == list(model.predict_one({}).items())
    assert pack(learned(again, stream[100:]), KINDS) == pack(learned(model, stream[100:]), KINDS)


def test_a_baseline_that_has_learned_weights_of_numpy_comes_back() -> None:
    model = MajorityLabelset(2)
    for y, w in (({"a"}, np.float64(2)), ({"b"}, np.float32(3)), ({"c"}, np.int64(1)), ({"c"}, 2)):
        model.learn_one({}, y, w=w)
    again = unpack(pack(model, KINDS), KINDS)
    assert again.predict_one({}) == model.predict_one({})


def test_scores_come_back() -> None:
    r = random.Random(3)
    boards: list[Any] = [Scoreboard(window=20, fading=0.9), Scoreboard(["a", "b"]), MicroF1(), MacroF1(window=5)]
    boards += [LogLoss(fading=0.99), PrecisionAtK(2, labels=["a"]), MicroF1() + LogLoss()]
    for board in boards:
        twin = None
        for i in range(80):
            truth = {name: r.choice((True, False, None)) for name in r.sample("abcdefgh", 3)}
            p = {name: r.random() for name in r.sample("abcdefgh", 4)}
            for one in (board, twin):
                if isinstance(one, Scoreboard):
                    one.update(truth, {"a"}, p if i % 3 else None, w=1.0 if i % 4 else 0.3)
                elif one is not None:
                    one.update(truth, p)
            if i == 40:
                twin = unpack(pack(board, KINDS), KINDS)
        assert pack(twin, KINDS) == pack(board, KINDS)
        if isinstance(board, Scoreboard):
            for reading in board._readings:
                assert twin.scores(reading) == board.scores(reading)
        else:
            assert twin.get() == board.get()
            assert repr(twin) == repr(board)


def test_scores_of_batches_come_back() -> None:
    r = np.random.default_rng(3)
    board, twin = Scoreboard(window=50), None
    for i in range(12):
        truth, predicted = r.random((2, 17, 6)) < 0.3
        for one in (board, twin):
            if one is not None:
                one.update_many(truth, predicted, w=[0.3 if i == 7 else 1.0] * 17)
        twin = unpack(pack(board, KINDS), KINDS) if i % 4 == 1 else twin
        if twin is not None:
            assert pack(twin, KINDS) == pack(board, KINDS)
            assert twin.scores("window") == board.scores("window")


def test_a_model_lies_beside_other_things_in_one_file() -> None:
    board = Scoreboard()
    board.update({"u"}, {"v"})
    value = {"model": small(), "scores": board, "late": deque([("id", 3.5)], maxlen=4), ("t", 0): [None, b"\xff", 1 << 200]}
    again = unpack(pack(value, KINDS), KINDS)
    assert list(again) == list(value)
    assert again["late"] == value["late"]
    assert again["late"].maxlen == 4
    assert again["t", 0] == value["t", 0]
    assert unpack(pack(10**6000, KINDS), KINDS) == 10**6000


# Values -------------------------------------------------------------------------------------------------------------

NAMES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from(
        [np.int64(3), np.float32(0.1), np.str_("é"), np.bytes_(b"x"), np.bool_(True), "\ud800\udc00", 2**70, -0.0]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6,
)  # fmt: skip


def alike(a: Any, b: Any) -> bool:
    """Compare in type and value, and nan with nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple | list | deque):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return alike(list(a.items()), list(b.items()))
    if isinstance(a, float | np.floating):
        return np.asarray(a).tobytes() == np.asarray(b).tobytes()
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and all(any(alike(one, other) for other in b) for one in a)
    return bool(a == b)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), max_size=5), st.sets(st.integers(), max_size=4))
def test_plain_values_come_back_in_type_and_order(value: Any, numbers: set[int]) -> None:
    whole = [value, numbers]
    data = pack(whole, KINDS)
    again = unpack(data, KINDS)
    assert alike(again, whole)
    assert pack(again, KINDS) == data


@settings(max_examples=20, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6))
def test_names_of_labels_and_features_come_back(names: list[Any]) -> None:
    names = [name for name in names if "nan" not in repr(name)]  # two of them are two names, loaded or not
    model = IHOMERClassifier(experts=("linear",))
    for name in names:
        model.learn_one({name: 1.0, "kind": "x"}, [name])
    again = unpack(pack(model, KINDS), KINDS)
    assert alike(list(again.partition.labels), list(model.partition.labels))
    assert alike(list(again._encoder.features)[:1], list(model._encoder.features)[:1])
    for name in names:
        model.learn_one({name: 2.0}, [name])
        again.learn_one({name: 2.0}, [name])
    assert pack(again, KINDS) == pack(model, KINDS)


def test_one_true_and_one_point_zero_stay_what_they_are() -> None:
    for name in (1, True, 1.0, np.int32(1)):
        model = learned(IHOMERClassifier(experts=("linear",)), [({name: 1.0}, [name])])
        [again] = unpack(pack(model, KINDS), KINDS).labels
        assert type(again) is type(name)


class Own:
    """A class of the user's."""


@pytest.mark.parametrize("name", [Own(), Own, (1, Own()), range(3), 1j])
def test_a_label_of_another_kind_is_refused_and_the_file_stays(name: Any, saved: Path) -> None:
    before = saved.read_bytes()
    model = learned(IHOMERClassifier(experts=("linear",)), [({"a": 1.0}, [name])])
    with pytest.raises(TypeError):
        model.save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["model"]


def test_what_is_held_twice_or_is_of_a_subclass_is_refused() -> None:
    array: list[Any] = [np.zeros(3)]

    class Special(IHOMERClassifier):
        pass

    strange = [np.zeros(2, object), np.zeros(2, ">f8"), Special(), np.datetime64("2020"), lambda: 1]
    for value in ([array, array], array * 2, *strange):
        with pytest.raises(TypeError):
            pack(value, KINDS)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError):
        pack(loop, KINDS)
    deep: Any = ()
    for _ in range(500):
        deep = (deep,)
    with pytest.raises(TypeError):
        pack(deep, KINDS)


# Files --------------------------------------------------------------------------------------------------------------


def test_another_class_is_refused(saved: Path) -> None:
    with pytest.raises(ModelFileError, match="of type IHOMERClassifier, not of type MLHATClassifier"):
        MLHATClassifier.load(saved)
    with pytest.raises(FileNotFoundError):
        IHOMERClassifier.load(saved.parent / "none")
    (saved.parent / "notes").write_text("no model")
    with pytest.raises(ModelFileError, match="notes: this is not a file of ihomer"):
        MLHATClassifier.load(saved.parent / "notes")
    with pytest.raises(ModelFileError, match="not a regular file"):
        IHOMERClassifier.load(saved.parent)
    os.mkfifo(saved.parent / "pipe")
    with pytest.raises(ModelFileError, match="not a regular file"):
        IHOMERClassifier.load(saved.parent / "pipe")
    with pytest.raises(ModelFileError):
        IHOMERClassifier.load("/dev/null")


def test_an_error_leaves_the_old_file_and_nothing_else(saved: Path) -> None:
    before = saved.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            small().save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["model"]


def test_files_keep_their_mode_and_links_their_target(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"1")
    os.chmod(tmp_path / "a", 0o640)
    os.symlink("a", tmp_path / "link")
    write_file(tmp_path / "link", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(OSError, match="none"):
        write_file(tmp_path / "none" / "a", b"")
    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path, b"")
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]
    write_file(tmp_path / ("x" * 255), b"3")


def test_the_file_is_one_of_safetensors(saved: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved, "np") as file:
        assert list(file.metadata()) == ["ihomer"]
        assert any("_weights" in name for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize(("ending", "place", "number"), [
    ("neighbours._head", 0, 1 << 30), ("neighbours._link", (0, 0), 5000), ("neighbours._ring", (0, 1), 9000),
    ("neighbours._labels", (0, 0), 400), ("neighbours._entry", (0, 0), 70000), ("neighbours._column_of", 3, 5),
    ("rehearsal._sizes", (1, 2), 5000), ("rehearsal._labels", (0, 0), -7), ("ridge._place_of", 1, 60),
    ("ridge._hand", 0, 100), ("ridge._hand", 3, 8), ("ridge._hand", 4, 4),
    ("rehearsal._lower_square", 0, -1.0), ("rehearsal._upper_square", 0, 0.0),
    ("rehearsal._length", 0, 0.0), ("rehearsal._lower_curves_square", (0, 0), 0.0), ("decoder._pool", 0, 77),
    ("frequency._marks", (0, 0), 2), ("decoder._table", 0, 60),
    ("decoder._ends", 1, 1 << 40), ("decoder._latest", 0, 200), ("decoder._last_seen", 0, 1 << 50),
    ("counts.keys", 0, 7 << 33 | 1), ("clusters.cluster", 0, 9), ("counts.ring_row", (0, 1), 4000),
    ("counts.ring_label", 0, 4000), ("counts.detector", (0, 5), -1.0), ("features.order", 0, 2),
])  # fmt: skip
def test_an_index_that_leads_astray_is_refused(ending: str, place: Any, number: Any) -> None:
    model = learned(IHOMERClassifier(), fuzz_files.events(120, 2))
    head, body, arrays = file_damage.split(pack(model, KINDS))
    name = next(name for name in arrays if name.endswith(ending) and arrays[name].size)
    arrays[name][place] = number
    with pytest.raises(ModelFileError):
        unpack(file_damage.joined(head, body, arrays), KINDS)


@pytest.mark.parametrize(("ending", "field", "number"), [
    ("nodes", "left", 0), ("nodes", "parent", 3), ("nodes", "feature", 5000), ("nodes", "slot", 99), ("nodes", "next", 0),
    ("nodes", "row_first", -3), ("nodes", "used", True), ("blocks", "next", 0), ("blocks", "feature", 99), ("slots", "head", 0),
    ("table", "block", 0), ("table", "key", 1), ("header", "root", 50), ("header", "deepest", 1000), ("header", "n_labels", 99),
])  # fmt: skip
def test_a_tree_that_is_none_is_refused(ending: str, field: str, number: Any) -> None:
    from ihomer.saved.tree import RECORDS

    model = learned(TREE.clone(), fuzz_files.events(300, 2))
    assert model.summary["n_splits"] > 2
    head, body, arrays = file_damage.split(pack(model, KINDS))
    name = next(name for name in arrays if name.endswith("arrays." + ending))
    arrays[name].view(RECORDS[{"table": "tree entries"}.get(ending, f"tree {ending}")])[field][:] = number
    with pytest.raises(ModelFileError):
        unpack(file_damage.joined(head, body, arrays), KINDS)


def test_a_test_on_a_feature_without_a_name_is_refused() -> None:
    """There is room for more features than have names, and who draws the tree asks for the name."""
    from ihomer.saved.tree import RECORDS

    model = learned(TREE.clone(), fuzz_files.events(300, 2))
    head, body, arrays = file_damage.split(pack(model, KINDS))
    name = next(name for name in arrays if name.endswith("arrays.nodes"))
    nodes, n_names = arrays[name].view(RECORDS["tree nodes"]), model._encoder.features.size
    assert n_names < len(model._encoder.kind)
    inner = nodes["used"] & (nodes["left"] >= 0)
    nodes["feature"][inner] = n_names - 1
    unpack(file_damage.joined(head, body, arrays), KINDS).draw()
    nodes["feature"][inner] = n_names
    with pytest.raises(ModelFileError, match="unknown feature"):
        unpack(file_damage.joined(head, body, arrays), KINDS)


def test_a_feature_that_changes_its_unit_over_the_halving_of_counts_is_no_end() -> None:
    model = IHOMERClassifier(experts=("frequency",))
    rare = {**dict.fromkeys(range(11), 1.0), **dict.fromkeys(range(11, 24), 1e9), 50_001: 1e9}
    X = [{"often": 1.0, **({"rare": rare[i]} if i in rare else {})} for i in range(50_002)]
    model.learn_many(X, [{"label"}] * len(X))
    assert pack(unpack(pack(model, KINDS), KINDS), KINDS) == pack(model, KINDS)


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, np.inf), (0, np.nan), (0, 1e200), (0, 1e9), (ranks.N_TAKEN, 3.0), (ranks.N_TAKEN, 1e6), (ranks.N_WAITING, 16.0),
     (ranks.N_WAITING, 0.5), (ranks.N_WAITING, -1.0)],
)  # fmt: skip
def test_impossible_ranks_are_refused(column: int, value: float) -> None:
    X = np.random.default_rng(1).normal(size=(40, 5))
    model = IHOMERClassifier(experts=("linear",))
    model.learn_many(X, (X > 0.5).astype(np.uint8))
    head, body, arrays = file_damage.split(pack(model, KINDS))
    name = next(name for name in arrays if name.endswith("_ranks"))
    kept = arrays[name].copy()
    assert kept.shape == (8, ranks.N_COLUMNS)
    for damaged in (kept, kept[:4]):
        arrays[name] = damaged
        if len(damaged) == 8:
            unpack(file_damage.joined(head, body, arrays), KINDS)
            arrays[name] = damaged.copy()
            arrays[name][2, column] = value
        with pytest.raises(ModelFileError):
            unpack(file_damage.joined(head, body, arrays), KINDS)


@pytest.mark.parametrize("n_negative", [-1.0, 21.0])
def test_more_values_below_0_than_values_are_refused(n_negative: float) -> None:
    X = np.random.default_rng(1).normal(size=(20, 4))
    model = IHOMERClassifier(experts=("linear",))
    model.learn_many(X, (X > 0.5).astype(np.uint8))
    head, body, arrays = file_damage.split(pack(model, KINDS))
    name = next(name for name in arrays if name.endswith("_sums"))
    for number in (20.0, n_negative):
        arrays[name] = arrays[name].copy()
        arrays[name][2, NEGATIVE] = number
        if number == 20.0:
            unpack(file_damage.joined(head, body, arrays), KINDS)
    with pytest.raises(ModelFileError, match="a feature has"):
        unpack(file_damage.joined(head, body, arrays), KINDS)


def test_a_version_beyond_its_end_is_refused() -> None:
    """A model hands its partition's version to NumPy, in 64 bits."""
    head, body, arrays = file_damage.split(pack(learned(IHOMERClassifier(), fuzz_files.events(60, 2)), KINDS))
    text = json.dumps(body, separators=(",", ":"))
    assert len(re.findall(r'"version",\d+', text)) == 1
    for number, is_good in ((1 << 53, True), (1 << 63, False)):
        data = file_damage.joined(head, re.sub(r'"version",\d+', f'"version",{number}', text), arrays)
        if is_good:
            learned(unpack(data, KINDS), fuzz_files.events(60, 3))
            continue
        with pytest.raises(ModelFileError):
            unpack(data, KINDS)


def test_attributes_missing_unknown_and_of_another_type_are_refused() -> None:
    head, body, arrays = file_damage.split(pack(small(), KINDS))
    state = body["state"]["part"][1]["dict"]
    changes = [lambda s: s.pop(), lambda s: s.append(["more", 1]), lambda s: s.append(s[0]), lambda s: s[1].append(1)]
    for change in [*changes, lambda s: s[1].__setitem__(1, "7")]:
        changed = json.loads(json.dumps(body))
        change(changed["state"]["part"][1]["dict"])
        with pytest.raises(ModelFileError):
            unpack(file_damage.joined(head, changed, arrays), KINDS)
    assert state[0][0] == "settings"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 3_000_000, "{" * 50_000, "[" + "[]," * 1_000_000 + "0]", '{"int":"0x' + "f" * 10**6 + '"}']
)
def test_a_hostile_text_costs_little_memory(text: str) -> None:
    head, _, _ = file_damage.split(pack([1], KINDS))
    data = file_damage.joined(head, '{"ihomer":"0","state":' + text + "}", {})
    tracemalloc.start()
    with contextlib.suppress(ModelFileError):
        unpack(data, KINDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * len(data) + 1e6


def test_loading_costs_a_small_multiple_of_the_file() -> None:
    data = pack(learned(IHOMERClassifier(), fuzz_files.events(600, 1)), KINDS)
    unpack(data, KINDS)
    tracemalloc.start()
    unpack(data, KINDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data) + 2e6


def test_altered_files_are_refused_or_work() -> None:
    result = fuzz_files.run(200, seed=0)
    assert not result["bad"]
    assert result["outcomes"]["refused"] > 100


@pytest.mark.parametrize("nested", [lambda n: n, lambda n: (n,), lambda n: frozenset([n])])
def test_names_made_to_have_the_same_hash_are_refused_soon(nested: Any) -> None:
    modulus = 2**61 - 1  # of hashes of whole numbers
    names = [nested(modulus * i) for i in range(1, 20_000)]
    shapes: list[Any] = [names, [[name, 1] for name in names]]
    kinds = Writer(KINDS)
    for kind, shape in zip(("set", "dict"), shapes, strict=True):
        state = {kind: [kinds.write(part) for part in shape]}
        with pytest.raises(ModelFileError, match="the same hash"):
            Reader(KINDS, {}).read(state)


def test_names_with_few_equal_hashes_are_read() -> None:
    model = learned(IHOMERClassifier(experts=("linear",)), [({"a": 1.0}, {(2**61 - 1) * i for i in range(20)} | {-1, -2})])
    assert pack(unpack(pack(model, KINDS), KINDS), KINDS) == pack(model, KINDS)


@pytest.mark.parametrize("part", ["n_events", "_touches", "_n_inexact"])
def test_a_window_that_counts_other_events_than_it_holds_is_refused(part: str) -> None:
    board = Scoreboard(window=5)
    for i in range(8):
        board.update({"u"}, {"u", "v"}, w=0.3 if i % 2 else 1.0)
    board = unpack(pack(board, KINDS), KINDS)
    window = board._readings["window"]
    owner = window if part == "_n_inexact" else window._tally
    setattr(owner, part, getattr(owner, part) + 1)
    with pytest.raises(ModelFileError, match="were counted"):
        unpack(pack(board, KINDS), KINDS)
