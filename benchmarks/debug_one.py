"""What `debug_one` says: the default model after 500 events of emotions, of the next one.

python -m benchmarks.debug_one --write
"""

import argparse

from benchmarks.common import events_of, require_sets, run_command, write
from ihomer import IHOMERClassifier

SET = "emotions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the result to benchmarks/results")
    arguments = parser.parse_args()
    require_sets(parser, [SET])
    model = IHOMERClassifier()
    events = events_of(SET)
    for x, y in events[:500]:
        model.learn_one(x, y)
    text = model.debug_one(events[500][0]) + "\nobserved: " + ", ".join(sorted(events[500][1]))
    print(text)
    if arguments.write:
        write("debug_one", {"text": text})


if __name__ == "__main__":
    run_command(main)
