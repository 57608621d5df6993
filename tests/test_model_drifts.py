"""What the whole model does when it finds a drift, and what it tells of it."""

from ihomer import IHOMERClassifier, LabelPartition
from ihomer.persistence import KINDS, pack
from streams.synthetic import Drift, SyntheticStream


def test_drifts_are_counted_truly(tmp_path):
    """Also those that are no longer told."""
    model = IHOMERClassifier(experts=("frequency",), clustering=LabelPartition(n_min=1))
    model.learn_many([{"a": 1.0}] * 20, [{"p"}, {"q"}] * 10)
    model.partition._n_drifts = 1234
    for event in range(1002):
        model._answer_drift(event)
    model.save(tmp_path / "model")
    for found in (model, IHOMERClassifier.load(tmp_path / "model")):
        assert found.summary["n_drifts_partition"] == found.partition.summary["n_drifts"] == 1234
        assert found.summary["n_drifts_global"] == 1002
        assert [drift["event"] for drift in found.drifts if drift["where"] == "global"] == list(range(2, 1002))


def test_what_is_told_of_drifts_is_a_copy():
    model = IHOMERClassifier(experts=("frequency",))
    model._answer_drift(7)
    for drift in model.drifts:
        drift["learners_replaced"].append("another")
        drift.clear()
    assert [(drift["event"], drift["learners_replaced"]) for drift in model.drifts] == [(7, [])]


def test_a_drift_is_answered_at_the_same_event_however_events_are_cut():
    """With clusters that change in the midst of what is learned at once."""
    drifts = [Drift(at=1_000, kind="sudden", what="features")]
    X, Y = next(SyntheticStream(1_500, n_features=2, n_words=60, separation=0.3, drifts=drifts, seed=1).blocks(1_500))
    whole, single, pieces = (IHOMERClassifier(clustering=LabelPartition(n_min=50)) for _ in range(3))
    answers = whole.answer_many(X, Y, 3)
    assert len({answer.version for answer in answers}) > 2
    events = [drift["event"] for drift in whole.drifts if drift["where"] == "global"]
    assert any(1_000 < event < 1_300 for event in events)
    assert all(event % 128 == 0 for event in events)
    assert [answer for i in range(0, 1_500, 77) for answer in pieces.answer_many(X[i : i + 77], Y[i : i + 77], 3)] == answers
    for i in range(1_500):
        assert single.answer_many(X[i : i + 1], Y[i : i + 1], 3) == answers[i : i + 1]
    assert pack(single, KINDS) == pack(pieces, KINDS) == pack(whole, KINDS)


def test_a_global_alarm_does_not_keep_the_partition_from_following():
    drifts = [Drift(at=3000, what="correlation")]
    stream = list(SyntheticStream(6000, n_labels=40, groups=8, n_features=20, cardinality=3.0, drifts=drifts, seed=3))
    model = IHOMERClassifier(experts=("linear",))
    model.learn_many([event.x for event in stream], [sorted(event.y) for event in stream])
    where = [drift["where"] for drift in model.drifts]
    assert where[0] == "global"
    assert "partition" in where


def test_what_trees_note_has_the_number_of_the_streams_event():
    """Also in trees that were made later, for a new cluster, and started from past events."""
    drifts = [Drift(at=1500, what="features")]
    stream = SyntheticStream(2500, n_labels=12, groups=4, n_features=10, cardinality=2.0, drifts=drifts, seed=3)
    model = IHOMERClassifier.paper(seed=3, replay=100)
    seen, later = {}, 0
    for number, event in enumerate(stream, 1):
        old = {member.number for member in model._members}
        model.learn_one(event.x, event.y)
        for member in model._members:
            notes = member.learner.notes()
            if member.number in old and len(notes) > seen.get(member.number, 0):
                assert notes[-1][0] + member.start == number
                node, what = notes[-1][1:]
                place = {"cluster": member.cluster, "node": node}
                assert {"event": number, "where": "node", **place, "what": what} in model.drifts
                later += member.start > 0
            seen[member.number] = len(notes)
    assert later > 0
