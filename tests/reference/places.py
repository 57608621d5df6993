"""Slow twin of the places of labels, in plain Python, from the rule: a list and a dictionary."""


class Places:
    """place -> label (None: free) and label -> how often one without a place has applied."""

    def __init__(self, most):
        self.most = most
        self.label = None
        self.times = {}

    def grow(self, n_labels):
        if n_labels > self.most and self.label is None:
            self.label = list(range(self.most))

    def place(self, label):
        if self.label is None:
            return label
        return self.label.index(label) if label in self.label else -1

    def seat(self, applied, often, n_events):
        freed = set()
        for label in [label for label in applied if label not in self.label]:
            self.times[label] = often[label] * n_events
            rarest = min((often[held] for held in self.label if held is not None), default=None)
            if rarest is not None and often[label] < 2.0 * rarest:
                continue
            if None not in self.label:
                ranked = sorted(range(self.most), key=lambda place: (often[self.label[place]], place))
                for place in ranked[: max(self.most // 64, 1)]:
                    held = self.label[place]
                    if 2.0 * often[held] <= often[label]:
                        self.times[held] = often[held] * n_events
                        self.label[place] = None
                        freed.add(place)
            self.label[self.label.index(None)] = label
            self.times[label] = 0.0
        return sorted(freed)
