"""What a live run does with each message: predict, score, learn, answer; join what comes late; report what is malformed."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ihomer.baselines import PreviousLabelset
from ihomer.interface import StreamClassifier
from ihomer.predictions import Prediction
from ihomer.vocabulary import in_name_order
from streams.errors import MalformedEvent
from streams.event import Event, LateLabels, Record, Truth, dead_letter_record, decode_message, prediction_record
from streams.late import LateStore
from streams.message import LiveSink, Message
from streams.run import BASELINE, MODEL
from streams.scoring import Scoring, check_weight

__all__ = ["Answering"]

_DIGITS = 6  # of a probability in a record
_LONGEST_RAW = 16_384  # bytes of a malformed message in its dead letter
_LONGEST_TEXT = 1_000  # characters of an id, a name or a nominal value: the model keeps them, and answers repeat them


class _Told(NamedTuple):
    """An event as a message told it; `y` may have come before it."""

    message: Message
    event: Event
    y: list[str] | dict[str, bool | None] | None


class Answering:
    """A model, its scores, and the events that wait for labels: all that changes with each message.

    What it does depends on the messages and their order alone, not on how they are cut into calls or on the time of day.

    Parameters
    ----------
    model
        What predicts and learns.
    top
        Number of most probable labels in each record.
    window
        Number of events for the scores of the last events.
    late
        Events that wait for their labels; None for a store with its default bounds.
    labels_per_event
        An event with more labels is malformed: the model would keep them all, and each later event would take longer.

    Attributes
    ----------
    n_read
        Messages of any kind.
    n_predicted, n_learned
        Events.
    n_joined
        Events learned from labels that came apart.
    n_tombstones
        Messages without a value, which are passed over.
    n_dead
        Number of malformed messages by code.
    n_too_large
        Answers that the sink could not take, since this object was made; not part of a checkpoint, for what is learned again
        is not answered again.
    on_dead
        Called with code and place of each dead letter that goes out, or would if there were a place for them.
    scoring
        Scores of `MODEL` and `BASELINE`, each event scored with what was predicted before its labels were known.

    Examples
    --------
    >>> from ihomer import IHOMERClassifier
    >>> from streams.answering import Answering
    >>> from streams.message import Message
    >>> answering = Answering(IHOMERClassifier())
    >>> values = [b'{"x": {"rain": 1}, "y": ["wet"]}', b"{", b'{"x": {"rain": 1}}']
    >>> answering.take([Message("sky", 0, number, value) for number, value in enumerate(values)])
    >>> answering.n_read, answering.n_predicted, answering.n_learned, dict(answering.n_dead)
    (3, 2, 1, {'json': 1})
    """

    def __init__(
        self,
        model: StreamClassifier,
        top: int = 5,
        window: int = 1000,
        late: LateStore | None = None,
        labels_per_event: int = 1000,
    ) -> None:
        self.model = model
        self.baseline = PreviousLabelset()
        self.scoring = Scoring((MODEL, BASELINE), window=window)
        self.late = LateStore() if late is None else late
        self.top = top
        self.labels_per_event = labels_per_event
        self.n_read = self.n_predicted = self.n_learned = self.n_joined = self.n_tombstones = 0
        self.n_dead: Counter[str] = Counter()
        self.n_too_large = 0
        self.on_dead: Callable[[str, dict[str, Any]], object] = lambda code, place: None

    def take(self, messages: Sequence[Message], sink: LiveSink | None = None) -> None:
        """Go through messages in turn; without a sink nothing is answered, and all else is the same.

        Parameters
        ----------
        messages
            What a source has given.
        sink
            Takes a record of each prediction, and a dead letter of each malformed message.
        """
        waiting: list[_Told] = []
        for message in messages:
            self.n_read += 1
            self.late.advance(message.timestamp)
            said = self._read(message)
            if isinstance(said, _Told) and (said.y is not None or said.event.id is None):
                waiting.append(said)
                continue
            # All else has to do with the late store, whose time goes on with the next message, or with the dead letters.
            self._answer(waiting, sink)
            waiting = []
            if isinstance(said, _Told):
                self._answer([said], sink)
            elif isinstance(said, LateLabels):
                self._join(message, said, sink)
            elif said is not None:
                self._bury(message, said, sink)
        self._answer(waiting, sink)

    def _read(self, message: Message) -> _Told | LateLabels | MalformedEvent | None:
        """Return what a message says; None if that is nothing."""
        if message.value is None:
            self.n_tombstones += 1
            return None
        try:
            said = decode_message(message.value)
            _refuse_excess(said, len(message.value), self.labels_per_event)
            if isinstance(said, Event):
                check_weight(said.w)
        except MalformedEvent as error:
            return error
        if isinstance(said, LateLabels):
            return said
        early = self.late.labels_of(said.id) if said.y is None and said.id is not None else None
        return _Told(message, said, _in_order(said.y if early is None else early))

    def _answer(self, told: list[_Told], sink: LiveSink | None) -> None:
        """Predict events in turn, and learn those whose labels are known."""
        for is_labelled, some in groupby(told, lambda one: one.y is not None):
            if is_labelled:
                self._answer_and_learn(list(some), sink)
            else:
                self._answer_only(list(some), sink)

    def _answer_and_learn(self, told: list[_Told], sink: LiveSink | None) -> None:
        x, y = [one.event.x for one in told], [one.y for one in told]
        try:
            predictions = self.model.answer_many(x, y, self.top if sink else 0, [one.event.w for one in told])
        except (TypeError, ValueError) as error:
            if len(told) == 1:
                self._bury(told[0].message, MalformedEvent("value", str(error)), sink)
            else:
                for one in told:
                    self._answer_and_learn([one], sink)
            return
        for one, prediction in zip(told, predictions, strict=True):
            by_baseline = self._baseline_answer(one.event)
            self._emit(one, prediction, sink)
            self._count(one.event.x, one.y, one.event.w, prediction.labels, by_baseline)

    def _answer_only(self, told: list[_Told], sink: LiveSink | None) -> None:
        for one in told:
            try:
                (prediction,) = self.model.foresee_many([one.event.x], self.top if sink else 0)
            except (TypeError, ValueError) as error:
                self._bury(one.message, MalformedEvent("value", str(error)), sink)
                continue
            self._emit(one, prediction, sink)
            if one.event.id is not None:
                names: list[Any] = prediction.labels
                self.late.wait(one.event.id, one.event, names, self._baseline_answer(one.event))

    def _join(self, message: Message, labels: LateLabels, sink: LiveSink | None) -> None:
        """Learn the event whose labels have come, or keep them for it."""
        waiting = self.late.event_of(labels.id)
        if waiting is None:
            self.late.keep_labels(labels.id, labels.y)
            return
        y = _in_order(labels.y)
        try:
            self.model.learn_one(waiting.x, y, waiting.w)
        except (TypeError, ValueError) as error:
            self._bury(message, MalformedEvent("value", str(error)), sink)
            return
        self.n_joined += 1
        self._count(waiting.x, y, waiting.w, waiting.predicted, waiting.by_baseline)

    def _count(self, x: Any, y: Any, w: float, by_model: Sequence[Hashable], by_baseline: Sequence[Hashable]) -> None:
        """Score an event, and let the baseline learn it."""
        self.n_learned += 1
        self.baseline.learn_one(x, y, w)
        self.scoring.add(y, {MODEL: by_model, BASELINE: by_baseline}, weight=w)

    def _baseline_answer(self, event: Event) -> list[Any]:
        return in_name_order(self.baseline.predict_set_one(event.x))

    def _emit(self, one: _Told, prediction: Prediction, sink: LiveSink | None) -> None:
        self.n_predicted += 1
        if sink is None:
            return
        labels: Any = prediction.labels
        proba: dict[Any, float] = {name: round(p, _DIGITS) for name, p in prediction.top}
        name = one.event.id
        record = prediction_record(
            labels, proba, learned=prediction.learned, partition_version=prediction.version, id=name, source=_place(one.message)
        )
        key = one.message.key if name is None else name.encode()
        try:
            sink.write(record, key)
        except ValueError as error:
            # Of the model's answer alone: that the sink cannot take it must make no difference to what is learned.
            self.n_too_large += 1
            self._send_dead(dead_letter_record(MalformedEvent("size", str(error)), _place(one.message)), key, sink)

    def _bury(self, message: Message, error: MalformedEvent, sink: LiveSink | None) -> None:
        """Report a message that cannot be understood."""
        self.n_dead[error.code] += 1
        if sink is None:
            return
        raw = message.value or b""
        record = dead_letter_record(error.at(raw=raw[:_LONGEST_RAW]), _place(message))
        if len(raw) > _LONGEST_RAW:
            record["raw_length"] = len(raw)
        self._send_dead(record, message.key, sink)

    def _send_dead(self, record: Record, key: bytes | None, sink: LiveSink) -> None:
        self.on_dead(record["error"], record["source"])
        sink.write_dead(record, key)

    # What a checkpoint holds ---------------------------------------------------------------------------------------

    def state(self) -> Record:
        """Return all that changes with messages, for a checkpoint."""
        return {
            "model": self.model,
            "baseline": self.baseline,
            "scoring": self.scoring,
            "late": self.late.state(),
            "labels_per_event": self.labels_per_event,
            "counts": [self.n_read, self.n_predicted, self.n_learned, self.n_joined, self.n_tombstones],
            "dead": dict(sorted(self.n_dead.items())),
        }

    def restore(self, state: Record) -> None:
        """Take back what `state` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it cannot be that; the object is then of no use.
        """
        for name, kind in (("model", StreamClassifier), ("baseline", PreviousLabelset), ("scoring", Scoring)):
            if not isinstance(state[name], kind):
                raise ValueError(f"{name} is no {kind.__name__}")
        self.model, self.baseline, self.scoring = state["model"], state["baseline"], state["scoring"]
        self.late.restore(state["late"])
        self.labels_per_event = int(state["labels_per_event"])
        counts = (int(count) for count in state["counts"])
        self.n_read, self.n_predicted, self.n_learned, self.n_joined, self.n_tombstones = counts
        self.n_dead = Counter({str(code): int(count) for code, count in state["dead"].items()})


def _refuse_excess(said: Event | LateLabels, n_bytes: int, labels_per_event: int) -> None:
    """Raise for texts and numbers of labels that would burden all that comes later, in a message of so many bytes."""
    labels = said.y or ()
    if len(labels) > labels_per_event:
        raise MalformedEvent("label", f"{len(labels)} labels; at most {labels_per_event} are taken")
    if n_bytes <= _LONGEST_TEXT:
        return
    longest = max(len(said.id or ""), max(map(len, labels), default=0))
    if isinstance(said, Event):
        longest = max(longest, max(map(len, said.x), default=0))
        if str in set(map(type, said.x.values())):
            longest = max(longest, max(len(value) for value in said.x.values() if type(value) is str))
    if longest > _LONGEST_TEXT:
        raise MalformedEvent("length", f"a text of {longest} characters; at most {_LONGEST_TEXT} are taken")


def _in_order(y: Truth) -> list[str] | dict[str, bool | None] | None:
    """Return labels in an order that is the same in each process, unlike that of a set."""
    return y if y is None or isinstance(y, dict) else sorted(y)


def _place(message: Message) -> dict[str, Any]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset}
