"""What `debug_one` says: the default model after 500 events of emotions, of the next one.

python -m benchmarks.debug_one --write
"""

import sys

from benchmarks.common import events_of, write
from ihomer import IHOMERClassifier


def main() -> None:
    model = IHOMERClassifier()
    events = events_of("emotions")
    for x, y in events[:500]:
        model.learn_one(x, y)
    text = model.debug_one(events[500][0]) + "\nobserved: " + ", ".join(sorted(events[500][1]))
    print(text)
    if "--write" in sys.argv:
        write("debug_one", {"text": text})


if __name__ == "__main__":
    main()
