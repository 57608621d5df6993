"""Many events at once, in whatever form they come, are learned as one by one: also where names must make room."""

import enum
import math
import random
import sys
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from river.preprocessing import StandardScaler
from scipy import sparse

from ihomer import IHOMERClassifier, LabelPartition, MLHATClassifier
from ihomer.encoder import Encoder
from ihomer.metrics import MicroF1, Scoreboard
from ihomer.persistence import KINDS, pack

MIXED_NAMES = [10, "b", 9, 2.5, 1, 100, "a", 0.5, ("t", 1), b"x", "c", 20, 3, -4]


def trees(max_features, max_labels):
    return MLHATClassifier(seed=3, max_features=max_features, max_labels=max_labels)


def experts(max_features, max_labels):
    clustering = LabelPartition(n_min=20, max_labels=8 + max_labels)
    return IHOMERClassifier(seed=3, clustering=clustering, max_features=max_features, experts=("linear", "bayes", "tree"))


def drawn_matrices(seed, n_labels):
    """Features and labels of 40 events, with few or many entries a row, missing and not observed ones."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0.15, 0.4, 0.9], size=(40, 1))
    if seed > 2:
        share.sort(axis=0)  # names come little by little
    X = rng.normal(size=(40, 10)) * (rng.random((40, 10)) < share)
    Y = (rng.random((40, n_labels)) < rng.choice([0.05, 0.3, 0.7], size=(40, 1))).astype(float)
    if seed % 2:
        X[rng.random(X.shape) < 0.02] = math.nan
        Y[rng.random(Y.shape) < 0.02] = math.nan
    return X, Y


def label_set(row, names, as_set):
    if not as_set:
        return {name: None if on != on else on == 1.0 for name, on in zip(names, row, strict=True)}
    if np.isnan(row).any():
        return {name: None if on != on else True for name, on in zip(names, row, strict=True) if on}
    return {name for name, on in zip(names, row, strict=True) if on}


def named_frame(rows, names):
    return pd.DataFrame(rows, columns=pd.Index(names, dtype=object, tupleize_cols=False))


def state_of(model, X):
    return list(model._encoder.features.items()), list(model._labels.items()), [model.predict_proba_one(x) for x in X]


def assert_learned_alike(make, X, Y, forms):
    """Compare `forms` with the lists of events X and Y, and these with the events one by one."""
    single, apart = make(), make()
    answers = []
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        single.learn_one(x, y)
        answers += [answer._replace(learned=i) for answer in apart.answer_many([x], [y], 3)]
    expected = state_of(single, X)
    assert state_of(apart, X) == expected
    for kind, form in {"lists": (X, Y), **forms}.items():
        model = make()
        assert model.answer_many(*form, 3) == answers, kind
        assert state_of(model, X) == expected, kind


@pytest.mark.parametrize("make", [trees, experts])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("as_sets", [False, True])
def test_each_form_is_learned_as_one_by_one(make, seed, as_sets):
    """Columns that are named by numbers, then by names of many types."""
    max_features, max_labels = (13, 2, 12, 5, 64, 4)[seed], (2, 1, 4, 3, 64, 5)[seed]
    n_labels = 6 if make is trees else 14
    X, Y = drawn_matrices(seed, n_labels)
    for names, labels in ((list(range(10)), list(range(n_labels))), (MIXED_NAMES[:10], MIXED_NAMES[:n_labels])):
        dictionaries = [dict(zip(names, row, strict=True)) for row in X.tolist()]
        sets = [label_set(row, labels, as_sets) for row in Y]
        frame, label_frame = (named_frame(rows, columns) for rows, columns in ((X, names), (Y, labels)))
        forms = {"dictionaries, frame": (dictionaries, label_frame), "frames": (frame, label_frame)}
        if as_sets:
            forms = {"frame, sets": (frame, sets)}
        if names[0] == 0:
            forms = {
                **forms,
                "array": (X, sparse.csr_array(Y) if as_sets else Y),
                "sparse": (sparse.csr_array(X), sparse.csr_array(Y) if as_sets else Y),
            }
        assert_learned_alike(lambda: make(max_features, max_labels), dictionaries, sets, forms)


def test_names_that_one_row_brings_stand_in_their_own_order():
    """Numbers in their natural order, though another row brings a name that is none."""
    frame = pd.DataFrame([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], columns=pd.Index([10, 9, "a"], dtype=object))
    model = trees(8, 8)
    model.learn_many(frame, np.ones((2, 1)))
    assert list(model._encoder.features) == [9, 10, "a"]


def test_no_answer_names_a_label_that_has_been_forgotten():
    rng = random.Random(0)
    model = IHOMERClassifier(clustering=LabelPartition(max_labels=16, n_min=50), experts=("linear", "tree"))
    X = [{f"f{j}": rng.gauss(0, 1) for j in range(5)} for _ in range(300)]
    Y = [{f"l{rng.randrange(40)}" for _ in range(rng.randrange(5))} for _ in X]
    for x, y, answer in zip(X, Y, model.answer_many(X, Y, 3), strict=True):
        assert None not in answer.labels
        model.learn_one(x, y)
        found = model.predict_set_one(x)
        assert None not in found
        assert model.predict_many([x]) == [found]
        assert set(model.foresee_many([x], 1)[0].labels) == found


def test_frames_of_each_kind_are_tested_and_learned():
    columns = {"a": [1.0, 0.0, 2.0] * 20, "b": [0.0, 1.0, 1.0] * 20}
    truth = {"p": [True, False, True] * 20, "q": [False, True, False] * 20}
    as_pandas, as_arrow = trees(8, 8), trees(8, 8)
    expected = as_pandas.test_then_train_many(pd.DataFrame(columns), pd.DataFrame(truth))
    answer = as_arrow.test_then_train_many(pa.table(columns), pa.table(truth))
    assert isinstance(answer, pa.Table)
    assert answer.to_pydict() == expected.to_dict("list")
    assert expected.to_numpy().any()
    assert as_arrow.labels == as_pandas.labels == ["p", "q"]


def test_what_pandas_calls_missing_is_missing():
    frame = pd.DataFrame(
        {
            "colour": pd.array(["red", None, "blue"] * 10, dtype="string"),
            "size": pd.array([1, 2, None] * 10, dtype="Int64"),
            "flag": pd.array([True, None, False] * 10, dtype="boolean"),
            "kind": pd.Categorical(["u", None, "v"] * 10),
        }
    )
    rows = [
        {"colour": "red", "size": 1, "flag": True, "kind": "u"},
        {"colour": None, "size": 2, "flag": None, "kind": None},
        {"colour": "blue", "size": None, "flag": False, "kind": "v"},
    ] * 10
    many, single = trees(16, 4), trees(16, 4)
    Y = [{"p"}, {"q"}, set()] * 10
    many.learn_many(frame, Y)
    single.learn_many(rows, Y)
    assert state_of(many, rows) == state_of(single, rows)
    assert np.array_equal(many.predict_proba_many(frame), [list(p.values()) for p in single.predict_proba_many(rows)])


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        ([0, 3], [0, 3]),
        ([np.int64(2), 1], [2, 1]),
        ([0, 2**20 - 1], [0, 2**20 - 1]),
        ([0, 2**20], None),
        ([1, 10**11], None),
        ([1, 2**63], None),
        ([1, -1], None),
        ([False, True], None),
    ],
)
def test_a_column_is_a_label_where_labels_are_small_whole_numbers(labels, columns):
    model = MLHATClassifier()
    model.learn_many([{0: 1.0}] * 2, [[label] for label in labels])
    p = model.predict_proba_many(np.ones((1, 1)))
    expected = model.predict_proba_one({0: 1.0})
    if columns is None:
        assert p.tolist() == [[expected[label][True] for label in sorted(labels)]]
    else:
        assert p.shape == (1, max(labels) + 1)
        assert [p[0, column] for column in columns] == [expected[label][True] for label in labels]


class Twice(Mapping):
    """A mapping that names a feature twice, and breaks when it is read again."""

    def __init__(self, pairs):
        self.pairs, self.n_read = pairs, 0

    def items(self):
        self.n_read += 1
        if self.n_read > 1:
            raise RuntimeError("read again")
        return iter(self.pairs)

    def __getitem__(self, name):
        return dict(self.pairs)[name]

    def __iter__(self):
        return iter(dict(self.pairs))

    def __len__(self):
        return len(dict(self.pairs))


@pytest.mark.parametrize("missing", [float("nan"), pd.NA, pd.NaT])
def test_what_stands_for_missing_in_a_dictionary_is_as_none(missing):
    def learned(gap):
        model, board = trees(8, 8), Scoreboard()
        for p in (True, gap, False, True):
            x, y = {"u": gap, "v": gap if p is gap else "b", "w": 1.0}, {"p": p, "q": True}
            board.update(y, model.test_then_train_one(x, y))
            board.update(y, {"p": None if isinstance(gap, float) else gap, "q": True})
        return model.predict_proba_one({"u": gap}), board.scores()

    assert learned(missing) == learned(None)


def test_while_another_thread_imports_pandas_a_number_is_none_of_its_values(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", ModuleType("pandas"))
    model, board = MLHATClassifier(), Scoreboard()
    model.learn_one({"a": Fraction(1, 2)}, {"p": True})
    board.update({"p": 1}, {"p": 1})
    assert board.score("subset_accuracy") == 1.0
    with pytest.raises(TypeError, match="must be a number"):
        model.learn_one({"a": object()}, {"p"})


def test_without_pandas_single_events_are_learned(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)  # importing it raises
    model = MLHATClassifier()
    model.learn_one({"a": None, "b": Fraction(1, 2)}, {"p": True, "q": None})
    assert model.labels == ["p", "q"]


def test_a_mapping_is_read_once_and_its_last_value_counts():
    plain, odd, many = MLHATClassifier(), MLHATClassifier(), MLHATClassifier()
    pairs, labels = [("a", 1.0), ("b", 2.0), ("a", 3.0)], [("p", True), ("q", False), ("p", True)]
    plain.learn_one(dict(pairs), dict(labels))
    odd.learn_one(Twice(pairs), Twice(labels))
    many.learn_many([Twice(pairs)], [Twice(labels)])
    assert pack(plain, KINDS) == pack(odd, KINDS) == pack(many, KINDS)
    assert odd.predict_proba_one(Twice(pairs)) == plain.predict_proba_one(dict(pairs))


def test_masked_entries_are_missing_or_not_observed():
    X, Y = np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    hidden = np.array([[False, True], [False, False]])
    masked, given = IHOMERClassifier(), IHOMERClassifier()
    masked.learn_many(np.ma.array(X, mask=hidden), np.ma.array(Y, mask=hidden))
    given.learn_many(np.where(hidden, np.nan, X), np.where(hidden, np.nan, Y))
    assert pack(masked, KINDS) == pack(given, KINDS)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_of_the_old_class_is_an_array():
    X, Y = np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    old, new = IHOMERClassifier(), IHOMERClassifier()
    old.learn_many(np.asmatrix(X), np.asmatrix(Y))
    new.learn_many(X, Y)
    assert pack(old, KINDS) == pack(new, KINDS)


def test_a_sparse_matrix_is_answered_by_one_of_its_kind():
    X, Y = np.eye(3), np.eye(3, dtype=int)
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.coo_matrix):
        answer = trees(8, 8).test_then_train_many(X, kind(Y))
        assert isinstance(answer, sparse.spmatrix) == isinstance(kind(Y), sparse.spmatrix)
        assert answer.shape == (3, 3)


@pytest.mark.parametrize("rows", [memoryview(np.eye(3)), bytearray(3), "abc"])
def test_what_only_looks_like_a_list_is_refused(rows):
    with pytest.raises(TypeError, match="must be a data frame"):
        trees(8, 8).learn_many(rows, np.eye(3))
    with pytest.raises(TypeError, match="must be a data frame"):
        trees(8, 8).learn_many(np.eye(3), rows)


def damaged(place, index):
    matrix = sparse.csr_array(np.eye(3))
    matrix.indices[place] = index
    return matrix


@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (damaged(2, 77), np.eye(3)), (damaged(0, -1), np.eye(3)), (np.eye(3), damaged(1, 5)),
        (sparse.csr_array(np.eye(3) * 1j), np.eye(3)), (np.eye(3), np.ones(3)), (np.eye(3), np.array(1.0)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["learn_many", "test_then_train_many"])
def test_damaged_matrices_are_refused_before_anything_is_learned(X, Y, method):
    model = IHOMERClassifier()
    before = pack(model, KINDS)
    with pytest.raises(ValueError, match=r"."):
        getattr(model, method)(X, Y)
    assert pack(model, KINDS) == before


def test_a_sparse_matrix_may_have_any_number_of_columns():
    n = 1 << 40
    X = sparse.csr_array(([1.0, 2.0, 3.0], [n - 1, 7, 0], [0, 1, 2, 3]), shape=(3, n))
    Y = sparse.csr_array(([1, 1, 1], [5, n - 1, 5], [0, 1, 2, 3]), shape=(3, n))
    events = [({n - 1: 1.0}, {5}), ({7: 2.0}, {n - 1}), ({0: 3.0}, {5})]
    wide, single = IHOMERClassifier(), IHOMERClassifier()
    answers = wide.test_then_train_many(X, Y)
    assert answers.shape == Y.shape
    expected = [{name for name, said in single.test_then_train_one(x, y).items() if said} for x, y in events]
    assert [set(answers[[i]].indices.tolist()) for i in range(3)] == expected
    assert pack(wide, KINDS) == pack(single, KINDS)
    assert wide.predict_many(X).tolist() == [[said for _, said in sorted(single.predict_one(x).items())] for x, _ in events]


@pytest.mark.parametrize("labels", [["a", True], [1.0, "b"], [-1, 1], [np.int64(1), 2], [2**61, 1]])
def test_answers_to_arrays_have_the_columns_that_equal_the_labels(labels):
    model = IHOMERClassifier()
    model.learn_many([{"a": 1.0}] * 6, [labels] * 6)
    answer = model.test_then_train_many([{"a": 1.0}], np.array([[0, 1]]))
    assert answer.tolist() == [[False, any(name == 1 for name in labels)]]


class Nameless:
    """A name that has no order among others: it has no text."""

    def __repr__(self):
        raise RuntimeError("no text")


def test_names_without_an_order_are_refused_before_anything_is_learned():
    names, rows = ["a", Nameless()], [{"b": 1.0}, {"b": 2.0}]
    frame, sets = named_frame(np.eye(2), names), [["a"], [names[1], "b"]]
    model, partition = IHOMERClassifier(), LabelPartition()
    before = pack(model, KINDS)
    for X, Y in [(rows, sets), (rows, frame), (frame, [["a"], ["b"]])]:
        with pytest.raises(RuntimeError, match="no text"):
            model.learn_many(X, Y)
        assert pack(model, KINDS) == before
    for Y in (sets, frame):
        with pytest.raises(RuntimeError, match="no text"):
            partition.learn_many(Y)
        assert partition.n_events == len(partition.labels) == 0


@pytest.mark.parametrize("n_names", [7, 8, 63, 64, 65, 300])
def test_pairs_are_in_the_order_of_indices_whatever_that_of_the_names(n_names):
    encoder = Encoder(1000)
    encoder.add([f"f{k}" for k in range(n_names)])
    names = [f"f{k}" for k in range(n_names)]
    for seed in range(30):
        random.Random(seed).shuffle(names)
        x = {name: float((seed + int(name[1:])) % 5) for name in names}
        pairs = sorted((int(name[1:]), value) for name, value in x.items() if value != 0.0)
        for _ in range(2):  # the second time the names are those of the last event
            index, value, new, _ = encoder.check(x)
            assert list(zip(index.tolist(), value.tolist(), strict=True)) == pairs
            assert new == []


def test_the_eighth_of_the_names_that_was_learned_longest_ago_makes_room():
    encoder = Encoder(16)
    encoder.add([f"f{k}" for k in range(16)])
    order = random.Random(1).sample(range(16), 16)
    for k in order:
        encoder.touch(np.array([k], np.int32))
    for at_least, n in ((1, 2), (5, 5)):
        gone, order = order[:n], order[n:]
        assert np.flatnonzero(encoder.forget_oldest(at_least)).tolist() == sorted(gone)
        assert set(encoder.features) == {f"f{k}" for k in order}
    assert encoder.n_forgotten == 7


def test_a_name_that_has_made_room_is_left_out_though_the_names_are_those_of_the_last_event():
    encoder = Encoder(16)
    x = {f"f{k}": 1.0 + k for k in range(9)}
    encoder.add(list(x))
    encoder.touch(np.arange(2, 9, dtype=np.int32))
    assert len(encoder.encode(x)[0]) == 9
    assert np.flatnonzero(encoder.forget_oldest(2)).tolist() == [0, 1]
    encoder.add(["g0", "g1"])  # in their places
    assert encoder.features.get("g0") in (0, 1)
    index, value = encoder.encode({name: 7.0 * number for name, number in x.items()})
    assert list(zip(index.tolist(), value.tolist(), strict=True)) == [(k, 7.0 * (1.0 + k)) for k in range(2, 9)]


def test_equally_probable_labels_are_named_in_name_order():
    model = MLHATClassifier()
    for label in ("b", "c", "a"):
        model.learn_one({}, {label: None})
    (told,) = model.foresee_many([{}], 2)
    assert len({p for _, p in model.predict_topk_one({}, 3)}) == 1
    assert [name for name, _ in told.top] == [name for name, _ in model.predict_topk_one({}, 2)] == ["a", "b"]


TRUTHS = [{"p": True, "q": None}, {"p": False, "q": False}, {"p": None, "q": True}, {"p": True, "q": True}]


@pytest.mark.parametrize("kind", ["objects", "floats", "categories", "nullable", "sparse", "pyarrow"])
def test_truth_values_of_any_type_are_labels(kind):
    rows = [dict.fromkeys("pq", True)] * 2 if kind == "sparse" else TRUTHS
    table = pd.DataFrame(rows, dtype=object)
    frame = {
        "objects": lambda: table,
        "floats": lambda: table.astype(float).astype(object),
        "categories": lambda: table.astype("category"),
        "nullable": lambda: table.astype("boolean"),
        "sparse": lambda: table.astype(pd.SparseDtype(bool)),
        "pyarrow": lambda: pa.table({name: table[name].tolist() for name in table}),
    }[kind]()
    X = np.arange(2.0 * len(rows)).reshape(-1, 2)
    many, single, floats = IHOMERClassifier(), IHOMERClassifier(), IHOMERClassifier()
    many.learn_many(X, frame)
    for row, y in zip(X.tolist(), rows, strict=True):
        single.learn_one(dict(enumerate(row)), y)
        floats.learn_one(dict(enumerate(row)), {name: math.nan if on is None else float(on) for name, on in y.items()})
    assert pack(many, KINDS) == pack(single, KINDS) == pack(floats, KINDS)
    with pytest.raises((TypeError, ValueError), match=r"y\['q'\] must be|every value in Y"):
        many.learn_many(X, pd.DataFrame({"q": ["yes"] * len(rows)}))
    assert pack(many, KINDS) == pack(single, KINDS)


def test_batches_are_learned_behind_a_scaler():
    X, Y = drawn_matrices(0, 3)
    frame, labels = pd.DataFrame(X, columns=[f"f{i}" for i in range(10)]), pd.DataFrame(Y > 0.0, columns=list("abc"))
    pipeline, scaler, model = StandardScaler() | IHOMERClassifier(), StandardScaler(), IHOMERClassifier()
    pipeline.learn_many(frame, labels)
    scaler.learn_many(frame)
    model.learn_many(scaler.transform_many(frame), labels)
    assert pack(pipeline["IHOMERClassifier"], KINDS) == pack(model, KINDS)


def test_columns_of_answers_are_the_labels_as_they_are_named():
    names = [("a", 1), ("b",), None, "c"]
    model, X = IHOMERClassifier(), pd.DataFrame({"f": [1.0, 2.0]})
    model.learn_many(X, [{name} for name in names[:2]])
    model.learn_many(X, [{name} for name in names[2:]])
    for columns in (model.predict_many(X).columns, model.predict_proba_many(X).columns):
        assert sorted(columns, key=repr) == sorted(names, key=repr)
    model.learn_many(X, [{1}, {"1"}])
    with pytest.raises(ValueError, match="same text"):
        model.predict_many(pa.table({"f": [1.0]}))


@pytest.mark.parametrize("kind", ["text", "number"])
def test_members_of_enumerations_are_what_they_equal(kind):
    colour = enum.StrEnum("colour", {"RED": "red"}).RED if kind == "text" else enum.IntEnum("number", {"ONE": 1}).ONE
    plain = "red" if kind == "text" else 1
    given, expected = IHOMERClassifier(), IHOMERClassifier()
    for value, model in ((colour, given), (plain, expected)):
        for i in range(12):
            model.learn_one({"c": value, value: float(i), "d": 1.0}, {value, "b"} if i % 2 else {"b"})
    assert pack(given, KINDS) == pack(expected, KINDS)


def test_what_is_no_name_or_number_leaves_the_model_as_it_was():
    model = IHOMERClassifier()
    model.learn_one({"a": 1.0}, {"p"})
    before = pack(model, KINDS)
    for x, y in (({"a": 1.0}, ["p", math.nan]), ({math.nan: 1.0}, ["p"]), ({"a": np.timedelta64(5, "ns")}, ["p"])):
        for learn in (lambda x=x, y=y: model.learn_one(x, y), lambda x=x, y=y: model.learn_many([{"a": 2.0}, x], [["p"], y])):
            with pytest.raises((TypeError, ValueError), match=r"nan cannot be a name|x\['a'\] must be a number"):
                learn()
    with pytest.raises(TypeError, match="w must hold a number for each row"):
        model.learn_many([{"a": 1.0}], [["p"]], 2.0)
    assert pack(model, KINDS) == before


def test_rows_in_any_sequence_are_answered_as_those_of_a_list():
    model = MLHATClassifier()
    rows = deque([{"a": 1.0}, {"a": -1.0}, {}], maxlen=3)
    model.learn_many(rows, deque([{"p"}, ["q"], {"p": True}]))
    assert model.predict_many(rows) == model.predict_many(list(rows)) == [model.predict_set_one(x) for x in rows]
    assert model.predict_proba_many(rows) == model.predict_proba_many(tuple(rows))


class Once(float):
    """A number that breaks when it is read again."""

    is_read = False

    def __float__(self):
        if self.is_read:
            raise RuntimeError("read again")
        self.is_read = True
        return float.__float__(self)


@pytest.mark.parametrize("make", [experts, trees])
@pytest.mark.parametrize("more", [{}, {"c": "red"}, {f"f{k}": 1.0 for k in range(20)}])
def test_a_number_is_read_once_also_where_it_brings_its_name_or_others_make_room(make, more):
    given, in_lists, expected = make(8, 100), make(8, 100), make(8, 100)
    rows = [{f"{k}": 1.0 + k, "b": 2.0, **more} for k in range(9)]
    for i, row in enumerate(rows):
        given.learn_one({name: Once(x) if type(x) is float else x for name, x in row.items()}, {f"p{i % 3}"})
        expected.learn_one(row, {f"p{i % 3}"})
    in_lists.learn_many(
        [{name: Once(x) if type(x) is float else x for name, x in row.items()} for row in rows],
        [{f"p{i % 3}"} for i in range(len(rows))],
    )
    assert pack(given, KINDS) == pack(in_lists, KINDS) == pack(expected, KINDS)


@pytest.mark.parametrize(
    "kind", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, np.bool_, int, Fraction, Decimal]
)
@pytest.mark.parametrize("is_mixed", [False, True])
def test_numbers_of_any_type_are_the_floats_that_they_equal(kind, is_mixed):
    given, expected = IHOMERClassifier(), IHOMERClassifier()
    for i in range(12):
        x = {f"f{k}": kind(k * i % 3) for k in range(10)} | ({"c": "red"} if is_mixed else {})
        plain = {name: value if value == "red" else float(value) for name, value in x.items()}
        answers = given.predict_proba_one(x), expected.predict_proba_one(plain)
        assert answers[0] == answers[1]
        given.learn_one(x, {f"p{i % 4}"})
        expected.learn_one(plain, {f"p{i % 4}"})
    assert pack(given, KINDS) == pack(expected, KINDS)


@pytest.mark.parametrize("make", [experts, trees])
def test_indicators_in_place_of_labels_are_refused(make):
    model = make(8, 100)
    model.learn_one({"a": 1.0}, ["p", "q"])
    before = pack(model, KINDS)
    rows = np.array([[1, 0, 1], [0, 1, 0]])
    for learn in (
        lambda: model.learn_one({"a": 1.0}, [1, 0, 1]),
        lambda: model.learn_one({"a": 1.0}, ("p", "q", "p")),
        lambda: model.learn_many(pd.DataFrame(rows, columns=["a", "b", "c"]), rows.tolist()),
        lambda: LabelPartition().learn_one([0, 0]) if make is experts else model.learn_one({}, [0, 0]),
    ):
        with pytest.raises(ValueError, match="y names a label twice: it holds the labels that apply, no 0 or 1 for each"):
            learn()
    assert pack(model, KINDS) == before
    with pytest.raises(ValueError, match="names a label twice"):
        MicroF1().update([0, 1, 1], [0, 1])


@pytest.mark.parametrize("value", [np.float64("inf"), np.float32("-inf"), 10**400, np.longdouble("1e400"), np.float64(1e101)])
def test_a_number_that_is_too_large_is_named_among_those_of_numpy(value):
    model = IHOMERClassifier()
    x = {f"f{k}": np.float64(k) for k in range(10)} | {"large": value}
    with pytest.raises(ValueError, match=r"x\['large'\] must be finite and at most"):
        model.learn_one(x, {"p"})
    assert model.n_learned == 0
    assert model.labels == []
