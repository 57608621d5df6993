"""The real sets, against the figures that come with them and against a reader written by others."""

import gzip
import importlib.util
import json
import shutil
import warnings

import numpy as np
import pytest

from streams.files import limited, open_source, shuffled

pytestmark = pytest.mark.shared

SETS = [
    *("flags", "emotions", "birds", "scene", "yeast", "medical", "enron", "slashdot", "bibtex", "corel5k"),
    *("tmc2007_500", "tmc2007_500_v1", "ohsumed", "eukaryote_go", "foodtruck", "delicious"),
]
# The other reader makes a full matrix; of larger sets it gets every k-th row.
MOST_CELLS = 2_000_000


@pytest.fixture(scope="module")
def manifest(shared_data):
    entries = json.loads((shared_data / "MANIFEST.json").read_text())["datasets"]
    return {entry["name"]: entry for entry in entries}


@pytest.fixture(scope="module")
def other_reader(shared_data):
    path = shared_data.parent / "tools" / "mlscore.py"
    if not path.exists():
        pytest.skip(f"no {path}")
    spec = importlib.util.spec_from_file_location("mlscore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def load(stem):
        with warnings.catch_warnings():
            # It leaves closing its files to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            return module.load(str(stem))

    return load


def read(path):
    with open_source(path) as source:
        return list(source), source.labels, source.features


def test_all_sets_are_here(manifest):
    assert set(SETS) == set(manifest)


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_figures_of_its_manifest(shared_data, manifest, name):
    entry = manifest[name]
    events, labels, features = read(shared_data / entry["file"])
    assert len(events) == entry["instances"]
    assert len(features) == entry["features"]
    assert len(labels) == entry["labels"]
    assert {label for event in events for label in event.y} <= set(labels)
    cardinality = sum(len(event.y) for event in events) / len(events)
    assert cardinality == pytest.approx(entry["cardinality"], abs=5e-5)
    assert len({event.y for event in events}) == entry["distinct_labelsets"]
    missing = sum(value is None for event in events for value in event.x.values())
    assert missing == entry["missing_feature_values"]


def thinned(folder, target, name, step):
    """Copy a set with every `step`-th row only."""
    shutil.copy(folder / f"{name}.xml", target)
    file = f"{name}.arff.gz"
    with gzip.open(folder / file, "rt") as full, gzip.open(target / file, "wt", compresslevel=1) as part:
        for line in full:
            part.write(line)
            if line.lower().startswith("@data"):
                break
        part.writelines(line for row, line in enumerate(full) if row % step == 0)
    return target / name


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_as_the_other_reader_does(shared_data, manifest, other_reader, tmp_path, name):
    step = 1 + manifest[name]["instances"] * manifest[name]["features"] // MOST_CELLS
    stem = thinned(shared_data, tmp_path, name, step)
    events, labels, features = read(f"{stem}.arff.gz")
    X, Y, names, other_labels = other_reader(stem)
    assert len(events) == -(-manifest[name]["instances"] // step)
    assert list(labels) == other_labels
    assert np.array_equal([[label in event.y for label in labels] for event in events], Y)
    compare_features(events, features, X, names)


def compare_features(events, features, X, names):
    """Check every column: the other reader gives one to each of more than two texts, and an index to two."""
    columns = {name: [0] * len(events) for name in features}
    for place, event in enumerate(events):
        for name, value in event.x.items():
            columns[name][place] = value
    stems = [name.rpartition("=")[0] for name in names]
    at = 0
    for values in columns.values():
        texts = {value for value in values if isinstance(value, str)}
        if not texts:
            numbers = np.array([np.nan if value is None else value for value in values])
            assert np.array_equal(numbers, X[:, at], equal_nan=True)
            at += 1
        elif not stems[at]:
            pairs = set(zip(values, X[:, at], strict=True))
            assert len(pairs) == len(texts) == len({index for _, index in pairs}) <= 2
            at += 1
        else:
            stem = stems[at]
            while at < len(names) and stems[at] == stem:
                value = names[at].rpartition("=")[2]
                assert np.array_equal([value == other for other in values], X[:, at])
                texts.discard(value)
                at += 1
            assert not texts
    assert at == len(names)


@pytest.mark.parametrize("name", ["yeast", "tmc2007_500"])
def test_a_real_set_can_be_left_and_taken_up_again(shared_data, name):
    path = shared_data / f"{name}.arff.gz"
    with open_source(path) as source:
        head = list(limited(source, 1000))
        position = source.snapshot()
        tail = list(source)
    with open_source(path, start=position) as source:
        assert list(source) == tail
    assert head[-1].position == position


def test_a_real_set_can_be_shuffled(shared_data):
    path = shared_data / "emotions.arff.gz"
    events, labels, _ = read(path)
    source = shuffled(open_source(path), seed=1)
    mixed = list(source)
    assert source.labels == labels
    assert [event.x for event in mixed] != [event.x for event in events]
    assert sorted(map(repr, (e.x for e in mixed))) == sorted(map(repr, (e.x for e in events)))
