"""Messages read once more, in the order of the journal."""

from collections import deque
from collections.abc import Iterator

from streams.checkpoint import Span
from streams.message import Gone, LiveSource, Message, Partition, Positions

__all__ = ["Replay"]

_AT_ONCE = 5000  # offsets that are asked for at once: the journal's pieces are often much smaller
_MOST_BYTES = 16_000_000  # of messages that are read ahead of the journal, in all


class Replay:
    """Reads spans of a source again; asks for larger pieces than these, as far as they take little memory.

    Parameters
    ----------
    source
        Where the messages are.
    ends
        Offset of each partition behind which nothing is asked for.
    """

    def __init__(self, source: LiveSource, ends: Positions) -> None:
        self._source = source
        self._ends = ends
        self._ahead: dict[Partition, deque[Message]] = {}
        self._n_bytes = 0  # of all that is read ahead
        self._asked: Positions = {}

    def parts(self, span: Span) -> Iterator[list[Message]]:
        """Yield the messages of a span, some at a time.

        Raises
        ------
        Gone
            If they are not what the journal says; seen at the end.
        """
        count = 0
        for messages in self._parts(span, self._ahead.setdefault(span.where, deque())):
            count += len(messages)
            yield messages
        if count != span.count:
            where = f"{span.topic}/{span.partition}"
            raise Gone(f"{where}: {count} of {span.count} messages from offset {span.first} are left")

    def _parts(self, span: Span, ahead: deque[Message]) -> Iterator[list[Message]]:
        yield self._taken(span, ahead)
        at = max(self._asked.get(span.where, span.first), span.first)
        while at < span.stop:
            stop = min(max(span.stop, at + _AT_ONCE), self._ends[span.where])
            for block in self._source.span(span.where, at, stop):
                ahead.extend(block)
                self._n_bytes += sum(map(_size, block))
                yield self._taken(span, ahead)
                at = block[-1].offset + 1
                if at >= span.stop and self._n_bytes > _MOST_BYTES:
                    break
            else:
                at = stop
            self._asked[span.where] = at

    def _taken(self, span: Span, ahead: deque[Message]) -> list[Message]:
        """Take the messages of a span out of those that were read ahead, and drop what is before them."""
        found = []
        while ahead and ahead[0].offset < span.stop:
            message = ahead.popleft()
            self._n_bytes -= _size(message)
            if message.offset >= span.first:
                found.append(message)
        return found


def _size(message: Message) -> int:
    return len(message.value or b"")
