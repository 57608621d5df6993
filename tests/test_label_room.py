"""Labels of a tree that make room for others: which ones, and whose answers are whose afterwards."""

from ihomer import MLHATClassifier


def taught(max_labels, *events):
    """A tree that has learned some sets of labels or dictionaries of them."""
    tree = MLHATClassifier(max_labels=max_labels)
    for y in events:
        tree.learn_one({}, y)
    return tree


def test_of_more_new_labels_than_there_is_room_for_the_first_in_name_order_are_learned():
    for before in ([], [{"x", "y"}]):
        tree = taught(2, *before, {"c", "b", "a"})
        assert tree.labels == ["a", "b"]
        assert tree.predict_set_one({}) <= {"a", "b"}


def test_as_many_labels_as_there_is_room_for_stay():
    assert taught(8, *map(set, "abcdefg"), {"a", "h"}).labels == list("abcdefgh")


def test_a_label_that_is_named_as_not_applying_is_as_old_as_the_event_before():
    assert taught(2, {"a"}, {"a": True, "z": False}, {"c"}).labels == ["a", "c"]
    assert taught(3, {"a"}, {"b"}, {"b"}, {"z": False}, {"c"}).labels == ["b", "c", "z"]


def test_of_the_labels_of_a_batch_the_one_that_applied_last_stays():
    tree = taught(2, {"a"}, {"b"})
    tree.learn_many([{}, {}], [{"b"}, {"a"}])
    tree.learn_one({}, {"c"})
    assert tree.labels == ["a", "c"]


def test_names_that_have_made_room_are_not_counted():
    tree = MLHATClassifier(max_labels=16, max_features=16)
    for i in range(17):
        tree.learn_one({f"x {i:02}": 1.0}, {f"y {i:02}"})
    assert (tree.summary["n_labels"], tree.summary["n_features"]) == (15, 15)


def test_labels_in_places_of_others_have_their_own_answers():
    """Two make room where one comes, and then again where two come: the places are given in another order than the numbers."""
    tree = taught(16, *({f"old {i:02}"} for i in range(16)), {"1"}, {"2", "3"}, {"4"})
    assert tree.labels == ["1", "2", "3", "4", *(f"old {i:02}" for i in range(4, 16))]
    for label in "1234":
        for _ in range(30):
            tree.learn_one({label: 1.0}, {label})
    for label in "1234":
        assert tree.predict_set_one({label: 1.0}) == {label}
