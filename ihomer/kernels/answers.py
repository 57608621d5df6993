"""The answer of an objective: one set of labels, chosen from their joint distribution."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import allocating, copy_first, inner
from ihomer.kernels.expected import MOST_ACTIVE, best_expected_f1, expected_f1, gains_of_size
from ihomer.kernels.labelsets import find_set, label_hash, set_hash
from ihomer.kernels.tallies import N_EVENTS_FADED, N_MET, SIZE, f1_of_all, f1_of_label, f1_worth

HAMMING, SUBSET, EXAMPLE_F1, MICRO_F1, MACRO_F1, BALANCED = 0, 1, 2, 3, 4, 5
LEAST_CANDIDATE = 0.02  # posterior probability of a seen labelset that is tried as an answer
MOST_CANDIDATES = 20
# What the balanced answer weighs beside P(all right), which counts 1: expected example-F1, by `f1_worth`, and the gains in
# micro-F1 and macro-F1.
_MICRO_WORTH, _MACRO_WORTH = 0.2, 0.6


class Case(NamedTuple):
    """What is known of one event before it is answered: the labels that may apply, called active, and the seen labelsets.

    A labelset is one of those seen, P(S) = (1 - r) posterior(S), or, with probability r, one of independent labels.
    """

    n_active: int
    active: np.ndarray  # int64[64], the active labels
    place: np.ndarray  # int64[labels], their places in `active`; -1 for the others
    odds: np.ndarray  # float64[labels], mixed log-odds q
    log_none: float  # log-probability that none of the independent labels applies
    new: float  # r
    covered: float  # share of the independent labels' probability that seen labelsets hold
    best: int  # the most probable seen labelset, or -1
    n_live: int  # how many may matter


class Joint(NamedTuple):
    """The distribution of labels and of their number; see `ihomer.kernels.expected`."""

    none: float  # probability that no label applies
    largest: int  # number of labels worth looking at
    sizes: np.ndarray  # float64[64, 65], D[j, k] = P(active label j applies, and k labels apply in all)


class Choice(NamedTuple):
    """Work space of one answer, of the active labels."""

    chosen: np.ndarray  # uint8[64], the answer
    trial: np.ndarray  # uint8[64]
    best: np.ndarray  # uint8[64]
    value: np.ndarray  # float64[64], worth of each label
    gain: np.ndarray  # float64[64]
    fewer: np.ndarray  # float64[64]
    members: np.ndarray  # int32[labels + 1], of a labelset


@allocating
def choice_of(n_labels):
    """Return work space for answers of so many labels."""
    return Choice(
        np.empty(MOST_ACTIVE, np.uint8), np.empty(MOST_ACTIVE, np.uint8), np.empty(MOST_ACTIVE, np.uint8),
        np.empty(MOST_ACTIVE), np.empty(MOST_ACTIVE), np.empty(MOST_ACTIVE), np.empty(n_labels + 1, np.int32),
    )  # fmt: skip


@inner
def label_worth(case, p, tallies, value):
    """Write what each active label adds to the worth of an answer: its gains in micro-F1 and macro-F1.

    Another label of probability p changes F1 = 2 TP / (answered + true) by (2 p - F1) / (answered + true), in the measure of
    all labels and in its own. p : float64[labels]
    """
    total, events = tallies.total, tallies.events
    half = f1_of_all(total) / 2.0
    n = events[N_EVENTS_FADED] + 3.0
    scale = _MICRO_WORTH * 2.0 * n / (total[SIZE] + 6.0)
    own_scale = _MACRO_WORTH * 2.0 * n / max(events[N_MET], 1.0)
    for j in range(case.n_active):
        q, own = p[case.active[j]], tallies.own[case.active[j]]
        value[j] = scale * (q - half) + own_scale * (q - f1_of_label(own) / 2.0) / (own[SIZE] + 4.0)


@inner
def probability_of(h, log_p, case, sets, posterior):
    """Return the probability of a set of active labels, by its hash: from the seen labelsets, or as a new one of independent
    labels, whose log-probability is `log_p`.
    """
    found = find_set(h, sets)
    if found >= 0:
        return (1.0 - case.new) * posterior[found]
    return case.new * math.exp(min(log_p, 0.0)) / (1.0 - case.covered)


@inner
def set_probability(chosen, case, sets, posterior, members):
    """Return the probability of a set of active labels.

    chosen : uint8[active]; posterior : float64[sets]; members : int32[labels + 1], work space
    """
    size, log_p = np.int64(0), case.log_none
    for j in range(case.n_active):
        if chosen[j]:
            members[size] = case.active[j]
            log_p += case.odds[case.active[j]]
            size += 1
    return probability_of(set_hash(members, np.int64(0), size), log_p, case, sets, posterior)


@inner
def choose_set(number, case, sets, chosen):
    """Write the active labels of a seen labelset."""
    chosen[: case.n_active] = 0
    for k in range(sets.ends[number], sets.ends[number + 1]):
        if case.place[sets.pool[k]] >= 0:
            chosen[case.place[sets.pool[k]]] = 1


@inner
def most_probable(case, sets, posterior, members, chosen):
    """Write the more probable of the best seen labelset and the set of all labels with q > 0."""
    for j in range(case.n_active):
        chosen[j] = case.odds[case.active[j]] > 0.0
    if case.best < 0:
        return
    p = set_probability(chosen, case, sets, posterior, members)
    if p <= (1.0 - case.new) * posterior[case.best]:
        choose_set(case.best, case, sets, chosen)


@inner
def above(p, case, least, chosen):
    """Write the labels with p > least."""
    for j in range(case.n_active):
        chosen[j] = p[case.active[j]] > least


@inner
def above_own(p, case, own, chosen):
    """Write the labels with p above half of their F1. own : float64[labels, 2]"""
    for j in range(case.n_active):
        label = case.active[j]
        chosen[j] = p[label] > f1_of_label(own[label]) / 2.0


@inner
def worth_of(chosen, case, joint, value, f1_counts, sets, posterior, members):
    """Return what an answer is worth: its probability, its expected example-F1 times `f1_counts`, and its labels' worth."""
    size, worth = np.int64(0), 0.0
    for j in range(case.n_active):
        size += chosen[j]
        worth += value[j] * chosen[j]
    e_f1 = expected_f1(chosen, size, joint.sizes, case.n_active, joint.largest) if size > 0 else joint.none
    return worth + (set_probability(chosen, case, sets, posterior, members) + f1_counts * e_f1)


@inner
def best_exchange(answer, worth, case, joint, value, f1_counts, sets, posterior, more, fewer):
    """Return the place of the active label that, put into an answer or taken out of it, makes it worth most, and that worth; -1
    if none makes it worth more than `worth`. See `worth_of`.

    answer : uint8[active]; value, more, fewer : float64[64], the last two work space
    """
    size, h, log_p, values, f1_more, f1_fewer = np.int64(0), np.uint64(0), case.log_none, 0.0, 0.0, 0.0
    for j in range(case.n_active):
        size += answer[j]
    gains_of_size(size + 1, joint.sizes, case.n_active, joint.largest, more)
    gains_of_size(size - 1, joint.sizes, case.n_active, joint.largest, fewer)
    for j in range(case.n_active):
        if answer[j]:
            h += label_hash(case.active[j])
            log_p += case.odds[case.active[j]]
            values, f1_more, f1_fewer = values + value[j], f1_more + more[j], f1_fewer + fewer[j]
    best, best_worth = np.int64(-1), worth
    for j in range(case.n_active):
        own, q = label_hash(case.active[j]), case.odds[case.active[j]]
        if answer[j]:
            p = probability_of(h - own, log_p - q, case, sets, posterior)
            e_f1 = f1_fewer - fewer[j] if size > 1 else joint.none
            found = values - value[j] + (p + f1_counts * e_f1)
        else:
            p = probability_of(h + own, log_p + q, case, sets, posterior)
            found = values + value[j] + (p + f1_counts * (f1_more + more[j]))
        if found > best_worth:
            best, best_worth = np.int64(j), found
    return best, best_worth


@inner
def balanced(case, p, joint, sets, weighed, tallies, n_exchanges, choice):
    """Write to `choice.chosen` the set of largest worth among the seen labelsets that are probable, and the best ones for each
    single score, with up to `n_exchanges` labels put in or taken out, each the one by which it gains most.

    p : float64[labels]
    """
    best_worth, posterior = -1e300, weighed.posterior
    chosen, trial, answer, value, gain, fewer, members = choice
    answer[: case.n_active] = 0
    label_worth(case, p, tallies, value)
    f1_counts = f1_worth(tallies.events)
    tried, i = 0, -3
    while i < case.n_live and tried < MOST_CANDIDATES:
        s = weighed.live[i] if i >= 0 else -1
        if i == -3:
            best_expected_f1(joint.none, joint.sizes, case.n_active, joint.largest, gain, trial, chosen)
        elif i == -2:
            most_probable(case, sets, posterior, members, chosen)
        elif i == -1:
            above(p, case, f1_of_all(tallies.total) / 2.0, chosen)
        elif (1.0 - case.new) * posterior[s] > LEAST_CANDIDATE:
            choose_set(s, case, sets, chosen)
        else:
            i += 1
            continue
        i += 1
        tried += 1
        worth = worth_of(chosen, case, joint, value, f1_counts, sets, posterior, members)
        if worth > best_worth:
            best_worth = worth
            copy_first(chosen, answer, case.n_active)
    for _ in range(n_exchanges):
        j, best_worth = best_exchange(answer, best_worth, case, joint, value, f1_counts, sets, posterior, gain, fewer)
        if j < 0:
            break
        answer[j] = 1 - answer[j]
    copy_first(answer, chosen, case.n_active)


@inner
def choose_answer(objective, n_exchanges, case, p, joint, sets, weighed, tallies, choice, answer):
    """Write the answer of an objective to `answer`, bool[labels]. p : float64[labels], probabilities

    A label that is not active, since too many are more probable, is answered if it is more probable than not.
    """
    for label in range(p.size):
        likely = case.place[label] < 0 and case.odds[label] > 0.0 and tallies.own[label, SIZE] > 0.0
        answer[label] = p[label] > 0.5 if objective == HAMMING else likely
    chosen = choice.chosen
    if objective == EXAMPLE_F1:
        best_expected_f1(joint.none, joint.sizes, case.n_active, joint.largest, choice.gain, choice.trial, chosen)
    elif objective == SUBSET:
        most_probable(case, sets, weighed.posterior, choice.members, chosen)
    elif objective == MACRO_F1:
        above_own(p, case, tallies.own, chosen)
    elif objective == BALANCED:
        balanced(case, p, joint, sets, weighed, tallies, n_exchanges, choice)
    elif objective == MICRO_F1:
        above(p, case, f1_of_all(tallies.total) / 2.0, chosen)
    if objective != HAMMING:
        for j in range(case.n_active):
            answer[case.active[j]] = chosen[j]
