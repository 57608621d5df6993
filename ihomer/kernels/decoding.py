"""From the log-odds of labels to probabilities and a labelset, joint over all labels; and what is learned for that."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import copy_first, inner, jit
from ihomer.kernels.expected import (
    MOST_ACTIVE,
    active_labels,
    add_independent,
    add_seen,
    best_expected_f1,
    expected_f1,
    gains_of_size,
)  # fmt: skip
from ihomer.kernels.labelsets import (
    N_EVENTS,
    N_MEMBERS,
    N_SETS,
    Labelsets,
    Weighed,
    add_set,
    count_set,
    find_set,
    learn_factors,
    learn_scores,
    lift_of_near,
    score_labels,
    set_hash,
    weigh_sets,
    write_factors,
)  # fmt: skip
from ihomer.kernels.linear import padded
from ihomer.kernels.mixing import mix_learn, mix_row
from ihomer.kernels.odds import POSITIVE, UNOBSERVED, bounded, log_odds, probability
from ihomer.kernels.random import mix

HAMMING, SUBSET, EXAMPLE_F1, MICRO_F1, MACRO_F1, BALANCED = 0, 1, 2, 3, 4, 5
DONE, FULL = 0, 1
_KEEP = 0.999  # of the counts behind the thresholds, per event
_KEEP_BAND = 0.9997  # of those of labels of about the same rate
_KEEP_LABEL = 0.995  # of those of one label, per event that it applied to or might have
_LEAST_CANDIDATE = 0.02  # posterior probability of a seen labelset that is tried as an answer
_MOST_CANDIDATES = 20
_NOVELTY_RATE = 0.3
_SHRINK_BAND = 20.0  # labels applied or answered that the thresholds of all labels count for in those of a band
_SHRINK = 40.0  # and those of its band in a label's own
N_THRESHOLDS = 24
_THRESHOLDS = 0.03 + 0.025 * np.arange(N_THRESHOLDS)
N_BANDS = 8  # of labels by the log-odds of their rate: above -1, above -2, ..., above -7 (one event in 1,100), and less
# Ways to answer whose micro-F1 is followed: a threshold each, and three joint answers.
BEST_F1, MOST_PROBABLE, BALANCE = N_THRESHOLDS, N_THRESHOLDS + 1, N_THRESHOLDS + 2
N_WAYS = N_THRESHOLDS + 3
# What the balanced answer weighs beside P(all right), which counts 1: expected example-F1, by `f1_worth`, and the gains in
# micro-F1 and macro-F1.
_F1_WORTH, _MOST_F1_WORTH = 3.6, 2.3
_MICRO_WORTH, _MACRO_WORTH = 0.2, 0.6
_START_EVENTS, _START_EXACT, _START_F1 = 50.0, 0.35, 0.62  # events that the scores of the start count for, and these
TRUE, SIZE = 0, 1
N_EVENTS_FADED, N_MET, EXACT, F1 = 0, 1, 2, 3
N_TALLIES = 4
N_LIVE, NEW, FIRST, SECOND, KNOWN = 0, 1, 2, 3, 4  # what was found out about the seen labelsets: see `answer_row`
N_FOUND = 5
N_WEIGHTS = 5  # of a labelset, for one event


class Tallies(NamedTuple):
    """What answers have been worth so far: fading counts of true positives, and of answered plus true ones."""

    total: np.ndarray  # float64[ways, 2], of each way to answer, over all labels
    bands: np.ndarray  # float64[bands, thresholds, 2], over the labels of about the same rate
    own: np.ndarray  # float64[labels, thresholds, 2], of each label
    events: np.ndarray  # float64[4]: fading number of events, how many labels have been met, and what `note_answer` counts


class Case(NamedTuple):
    """What is known of one event before it is answered: the labels that may apply, called active, and the seen labelsets.

    A labelset is one of those seen, P(S) = (1 - r) posterior(S), or, with probability r, one of independent labels.
    """

    n_active: int
    active: np.ndarray  # int64[64], the active labels
    place: np.ndarray  # int64[labels], their places in `active`; -1 for the others
    odds: np.ndarray  # float64[labels], mixed log-odds q
    rate: np.ndarray  # float32[labels], log-odds of how often each label has applied
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


@inner
def novelty_of(n_live, covered, best_p, novelty):
    """Return the probability r that the labelset is a new one: ln(r / (1 - r)) = b_0 - b_1 ln(c / (1 - c)) - b_2 ln P(best).

    covered : share c of the labels' independent probability that seen labelsets hold; novelty : float64[3, 2], b and its
    summed squared gradients
    """
    if n_live == 0:
        return 1.0, 0.0, 0.0
    first, second = math.log(covered / (1.0 - covered)), math.log(max(best_p, 1e-6))
    odds = novelty[0, 0] - novelty[1, 0] * first - novelty[2, 0] * second
    return probability(bounded(odds, 12.0)), first, second


@inner
def learn_novelty(error, first, second, novelty):
    """Take an AdaGrad step on the log-loss of r; error : whether the labelset was new, less r."""
    for i in range(3):
        g = error * (1.0 if i == 0 else (-first if i == 1 else -second))
        novelty[i, 1] += g * g
        novelty[i, 0] += _NOVELTY_RATE * g / math.sqrt(novelty[i, 1])


@inner
def f1_of(tally):
    """Return 2 TP / (answered + true), as if one label of two had been right before."""
    return (2.0 * tally[TRUE] + 1.0) / (tally[SIZE] + 2.0)


@inner
def best_way(total, n_ways):
    """Return the way to answer of largest micro-F1 so far among the first `n_ways`."""
    best = np.int64(0)
    for way in range(1, n_ways):
        if f1_of(total[way]) > f1_of(total[best]):
            best = np.int64(way)
    return best


@inner
def band_of(rate):
    """Return the band of a label whose rate has these log-odds; one that is no number is in the first."""
    return np.int64(min(-rate, N_BANDS - 1.0)) if rate < 0.0 else np.int64(0)


@inner
def shared_f1(total, bands):
    """Return what the F1 of each threshold in each band adds to a label's own, float64[bands, thresholds].

    Rare labels are best answered at lower thresholds than common ones, and in a count of all labels the common ones prevail.
    That of all labels counts for 20 of a band's own. bands : float64[bands, thresholds, 2], as `total`
    """
    result = np.empty((N_BANDS, N_THRESHOLDS))
    for k in range(N_THRESHOLDS):
        of_all = _SHRINK_BAND * f1_of(total[k])
        for band in range(N_BANDS):
            tally = bands[band, k]
            result[band, k] = _SHRINK * (2.0 * tally[TRUE] + of_all) / (tally[SIZE] + _SHRINK_BAND)
    return result


@inner
def best_threshold(shared, tally):
    """Return a label's threshold of largest F1 so far, and that F1; that of its band counts for 40 of its own.

    shared : float64[thresholds], of `shared_f1` for its band
    tally : float64[thresholds, 2], true positives, and answered plus true
    """
    best, best_f1 = np.int64(0), -1.0
    for k in range(N_THRESHOLDS):
        f1 = (2.0 * tally[k, TRUE] + shared[k]) / (tally[k, SIZE] + _SHRINK)
        if f1 > best_f1:
            best, best_f1 = np.int64(k), f1
    return best, best_f1


@inner
def label_worth(case, p, tallies, value):
    """Write what each active label adds to the worth of an answer: its gains in micro-F1 and macro-F1.

    Another label of probability p changes F1 = 2 TP / (answered + true) by (2 p - F1) / (answered + true), in the measure of
    all labels and in its own. p : float64[labels]
    """
    total, events = tallies.total, tallies.events
    way = best_way(total, N_THRESHOLDS)
    half = f1_of(total[way]) / 2.0
    n = events[N_EVENTS_FADED] + 3.0
    scale = _MICRO_WORTH * 2.0 * n / (total[way, SIZE] + 6.0)
    shared = shared_f1(total, tallies.bands)
    own_scale = _MACRO_WORTH * 2.0 * n / max(events[N_MET], 1.0)
    for j in range(case.n_active):
        label = case.active[j]
        k, own = best_threshold(shared[band_of(case.rate[label])], tallies.own[label])
        value[j] = scale * (p[label] - half) + own_scale * (p[label] - own / 2.0) / (tallies.own[label, k, SIZE] + 4.0)


@inner
def f1_worth(events):
    """Return what one more expected example-F1 is worth in the balanced answer, in right labelsets.

    min(3.6 A / F, 2.3), A and F the mean subset accuracy and example-F1 of the answers so far: a share of the one score is
    worth a share of the other, so that where hardly any labelset is right, each right one counts for much.
    """
    exact = events[EXACT] + _START_EVENTS * _START_EXACT
    return min(_F1_WORTH * exact / (events[F1] + _START_EVENTS * _START_F1), _MOST_F1_WORTH)


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
def above_own(p, case, tallies, chosen):
    """Write the labels that are above their own threshold."""
    shared = shared_f1(tallies.total, tallies.bands)
    for j in range(case.n_active):
        label = case.active[j]
        k, _ = best_threshold(shared[band_of(case.rate[label])], tallies.own[label])
        chosen[j] = p[label] > _THRESHOLDS[k]


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
            h += mix(np.uint64(case.active[j]) + np.uint64(1))
            log_p += case.odds[case.active[j]]
            values, f1_more, f1_fewer = values + value[j], f1_more + more[j], f1_fewer + fewer[j]
    best, best_worth = np.int64(-1), worth
    for j in range(case.n_active):
        own, q = mix(np.uint64(case.active[j]) + np.uint64(1)), case.odds[case.active[j]]
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
def balanced(case, p, joint, sets, weighed, tallies, n_exchanges, members, gain, trial, chosen):
    """Write the set of largest worth among the seen labelsets that are probable, and the best ones for each single score, with
    up to `n_exchanges` labels put in or taken out, each the one by which it gains most.

    p : float64[labels]; gain, trial : float64[64], uint8[64], work space
    """
    best_worth, posterior = -1e300, weighed.posterior
    answer, value = np.zeros(MOST_ACTIVE, np.uint8), np.empty(MOST_ACTIVE)
    label_worth(case, p, tallies, value)
    f1_counts = f1_worth(tallies.events)
    tried, i = 0, -3
    while i < case.n_live and tried < _MOST_CANDIDATES:
        s = weighed.live[i] if i >= 0 else -1
        if i == -3:
            best_expected_f1(joint.none, joint.sizes, case.n_active, joint.largest, gain, trial, chosen)
        elif i == -2:
            most_probable(case, sets, posterior, members, chosen)
        elif i == -1:
            above(p, case, _THRESHOLDS[best_way(tallies.total, N_THRESHOLDS)], chosen)
        elif (1.0 - case.new) * posterior[s] > _LEAST_CANDIDATE:
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
    fewer = np.empty(MOST_ACTIVE)
    for _ in range(n_exchanges):
        j, best_worth = best_exchange(answer, best_worth, case, joint, value, f1_counts, sets, posterior, gain, fewer)
        if j < 0:
            break
        answer[j] = 1 - answer[j]
    copy_first(answer, chosen, case.n_active)


@inner
def note_thresholds(target, p, rate, tallies):
    """Count what each threshold would have answered, for all labels, each band and each label."""
    total, bands, events = tallies.total, tallies.bands, tallies.events
    events[N_EVENTS_FADED] = _KEEP * events[N_EVENTS_FADED] + 1.0
    for k in range(N_THRESHOLDS):
        total[k, TRUE] *= _KEEP
        total[k, SIZE] *= _KEEP
        for band in range(N_BANDS):
            bands[band, k, TRUE] *= _KEEP_BAND
            bands[band, k, SIZE] *= _KEEP_BAND
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            continue
        y = 1.0 if target[label] == POSITIVE else 0.0
        if y == 0.0 and p[label] <= _THRESHOLDS[0]:
            continue
        if tallies.own[label, 0, SIZE] == 0.0:
            events[N_MET] += 1.0
        alike = bands[band_of(rate[label])]
        for k in range(N_THRESHOLDS):
            said = 1.0 if p[label] > _THRESHOLDS[k] else 0.0
            total[k, TRUE] += said * y
            total[k, SIZE] += said + y
            alike[k, TRUE] += said * y
            alike[k, SIZE] += said + y
            t = tallies.own[label, k]
            t[TRUE] = _KEEP_LABEL * t[TRUE] + said * y
            t[SIZE] = _KEEP_LABEL * t[SIZE] + said + y


@inner
def note_answer(target, answer, events):
    """Count whether an answer was right, and its example-F1; one whose labels were not all observed counts for neither."""
    right, size = 0, 0
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            return
        applies = target[label] == POSITIVE
        right += answer[label] and applies
        size += np.int64(answer[label]) + np.int64(applies)
    events[EXACT] = _KEEP * events[EXACT] + (1.0 if 2 * right == size else 0.0)
    events[F1] = _KEEP * events[F1] + (2.0 * right / size if size > 0 else 1.0)


@inner
def note_way(target, chosen, case, tally):
    """Count what a joint answer was worth, as `note_thresholds` does. tally : float64[2]"""
    tally *= _KEEP
    for label in range(target.size):
        if target[label] == POSITIVE:
            tally[SIZE] += 1.0
    for j in range(case.n_active):
        if chosen[j] and target[case.active[j]] != UNOBSERVED:
            tally[SIZE] += 1.0
            if target[case.active[j]] == POSITIVE:
                tally[TRUE] += 1.0


@inner
def learn_labelset(target, odds, score, weight, rate, index, value, first, last, w, found, novelty, sets, weighed, members):
    """Take the labelset of an event in; one with unobserved labels is not known and not taken.

    score : float32[labels or more], u of `score_labels`, overwritten; rate : of its step
    found : float64[5], what `answer_row` found out about the seen labelsets
    """
    header = sets.header
    size = np.int64(0)
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            sets.latest[header[N_EVENTS] % sets.latest.size] = -1
            header[N_EVENTS] += 1
            return
        if target[label] == POSITIVE:
            members[size] = label
            size += 1
    h = set_hash(members, np.int64(0), size)
    number, n_live = find_set(h, sets), np.int64(found[N_LIVE])
    own = min(weight, 8.0)
    if number >= 0 and n_live > 0:
        write_factors(number, found[KNOWN], sets, weighed)
        likely, scored = 0.0, 0.0
        for k in range(size):
            likely += odds[members[k]]
            scored += score[members[k]]
        learn_factors(number, likely, scored, own, n_live, sets, weighed)
        if rate > 0.0:
            learn_scores(number, rate * own, n_live, sets, weighed, index, value, first, last, w, score)
    if number < 0:
        number = add_set(h, members, size, sets)
    if header[N_SETS] > 1:
        is_new = 1.0 if sets.stats[number, 0] == 0.0 else 0.0
        learn_novelty(own * (is_new - found[NEW]), found[FIRST], found[SECOND], novelty)
    count_set(number, weight, sets)
    header[N_EVENTS] += 1


@inner
def answer_for_micro_f1(
    case, p, joint, sets, weighed, tallies, n_exchanges, target, learn, members, gain, trial, chosen
):  # fmt: skip
    """Write the answer of the way to answer whose micro-F1 has been best so far, and count what each is worth if `learn`."""
    rule = best_way(tallies.total, N_WAYS)
    final = np.zeros(MOST_ACTIVE, np.uint8)
    for way in (BEST_F1, MOST_PROBABLE, BALANCE):
        if way == BEST_F1:
            best_expected_f1(joint.none, joint.sizes, case.n_active, joint.largest, gain, trial, chosen)
        elif way == MOST_PROBABLE:
            most_probable(case, sets, weighed.posterior, members, chosen)
        else:
            balanced(case, p, joint, sets, weighed, tallies, n_exchanges, members, gain, trial, chosen)
        if rule == way:
            copy_first(chosen, final, case.n_active)
        if learn:
            note_way(target, chosen, case, tallies.total[way])
    if rule < N_THRESHOLDS:
        above(p, case, _THRESHOLDS[rule], final)
    copy_first(final, chosen, case.n_active)


@inner
def choose_answer(objective, n_exchanges, case, p, joint, sets, weighed, tallies, target, learn, members, answer):
    """Write the answer of an objective to `answer`, bool[labels]. p : float64[labels], probabilities"""
    for label in range(p.size):
        answer[label] = p[label] > 0.5 if objective == HAMMING else False
    gain, trial, chosen = np.empty(MOST_ACTIVE), np.zeros(MOST_ACTIVE, np.uint8), np.zeros(MOST_ACTIVE, np.uint8)
    if objective == EXAMPLE_F1:
        best_expected_f1(joint.none, joint.sizes, case.n_active, joint.largest, gain, trial, chosen)
    elif objective == SUBSET:
        most_probable(case, sets, weighed.posterior, members, chosen)
    elif objective == MACRO_F1:
        above_own(p, case, tallies, chosen)
    elif objective == BALANCED:
        balanced(case, p, joint, sets, weighed, tallies, n_exchanges, members, gain, trial, chosen)
    elif objective == MICRO_F1:
        answer_for_micro_f1(
            case, p, joint, sets, weighed, tallies, n_exchanges, target, learn, members, gain, trial, chosen
        )
    if objective != HAMMING:
        for j in range(case.n_active):
            answer[case.active[j]] = chosen[j]


@inner
def answer_row(
    q, score, rate, alike, alike_share, target, learn, objective, n_exchanges, sets, novelty, weights, own, tallies, inputs,
    final, weighed, found, p, place, members, sizes, proba, answer,
):  # fmt: skip
    """Write the probabilities and the answer of a row, and what they were made from; see `decode_rows`.

    p, place, members, sizes : float64[labels], int64[labels], int32[labels + 1], float64[64, 65], work space
    """
    n_labels = q.size
    marginal, active = np.empty(n_labels), np.empty(MOST_ACTIVE, np.int64)
    counts, without = np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE + 1)
    log_none = 0.0
    for label in range(n_labels):
        # A label not met so far takes no part: the answer must not depend on whether its name is known already.
        p[label] = probability(q[label]) if tallies.own[label, 0, SIZE] > 0.0 else 0.0
        log_none += math.log(1.0 - p[label])
    n_active = active_labels(p, active, place)
    known = lift_of_near(alike, alike_share, sets, weighed.lift)
    n_live, best, covered = weigh_sets(q, score, log_none, known, place, sets, weighed)
    new, first, second = novelty_of(n_live, covered, weighed.posterior[best] if best >= 0 else 1.0, novelty)
    found[N_LIVE], found[NEW], found[FIRST], found[SECOND], found[KNOWN] = n_live, new, first, second, known
    sizes[:n_active, : n_active + 1] = 0.0
    marginal[:] = 0.0
    none, largest = add_seen(
        1.0 - new, weighed.live, n_live, sets.ends, sets.pool, weighed.posterior, place, n_active, sizes, marginal
    )
    none_new, largest_new = add_independent(new, p, active, n_active, sizes, counts, without)
    for label in range(n_labels):
        inputs[label, 0] = q[label]
        met = tallies.own[label, 0, SIZE] > 0.0
        inputs[label, 1] = log_odds(marginal[label] + new * p[label], 1e-5) if met else q[label]
    mix_row(inputs, np.zeros(n_labels, np.uint8), weights, own, final)
    for label in range(n_labels):
        proba[label] = probability(final[label])
    case = Case(n_active, active, place, q, rate, log_none, new, covered, best, n_live)
    joint = Joint(none + none_new, max(largest, largest_new), sizes)
    choose_answer(objective, n_exchanges, case, proba, joint, sets, weighed, tallies, target, learn, members, answer)


@jit
def decode_rows(
    odds, rate, indptr, index, value, shrink, alike, alike_share, target, weight, learn, known, start, objective, score_rate,
    n_exchanges, header, table, hashes, signatures, ends, pool, stats, total_count, last_seen, latest, factor, information, w,
    novelty, weights, weights_information, own, total, bands, tally, events, inputs, final, weights_of_sets, live, score, found,
    proba, answer,
):  # fmt: skip
    """Turn mixed log-odds, float64[rows, labels], into probabilities and answers, row by row from `start`; learn if `learn`.

    The labelset is one of those seen, P = (1 - r) P(S), or, with probability r, of independent labels. The marginals of that
    are mixed with the log-odds themselves, which gives `proba`, float64[rows, labels]; answer : bool[rows, labels], out.
    rate : float32[rows, labels], log-odds of how often each label has applied
    indptr, index, value, shrink : the features of the rows, and what they are multiplied by before they are learned from
    score_rate, w : rate of `learn_scores`, 0 where there are no scores, and its weights; n_exchanges : see `balanced`
    alike, alike_share : int64[rows, m], float64[rows, m], past events like each row, and what their labelsets count there
    header ... information : of `Labelsets`; novelty : of `novelty_of`; weights, weights_information, own : of the mixture
    total ... events : of `Tallies`
    What an answer is made from, and what is learned with: inputs : float32[labels, 2]; final : float64[labels];
    weights_of_sets, live : float64[5, sets], int32[sets], of `Weighed`; score : float32[labels or more]; found : float64[5]
    known : these, `proba` and `answer` already hold what a call without `learn` wrote for the one row, and nothing was learned
    since. Not for micro-F1, which counts its ways to answer while it answers.
    Return (row, DONE), or (row, FULL) where there is no room for the labelset of that row.
    """
    sets = Labelsets(
        header, table, hashes, signatures, ends, pool, stats, total_count, last_seen, latest, factor, information
    )  # fmt: skip
    of_sets = weights_of_sets
    weighed = Weighed(of_sets[0], of_sets[1], of_sets[2], of_sets[3], of_sets[4], live)
    tallies = Tallies(total, bands, tally, events)
    n_labels, room = odds.shape[1], hashes.size
    p, place, members = np.empty(n_labels), np.empty(n_labels, np.int64), np.empty(n_labels + 1, np.int32)
    sizes = np.empty((MOST_ACTIVE, MOST_ACTIVE + 1))
    u = score[: padded(n_labels, w.shape[1])]
    gradient, work, ungrouped = np.empty((1, 3)), np.empty((3, 3, 4)), np.zeros(n_labels, np.uint8)
    for row in range(start, odds.shape[0]):
        if learn and (header[N_SETS] == room or header[N_MEMBERS] + n_labels > pool.size):
            return row, FULL
        t = target[row, :n_labels]
        first, last = indptr[row], indptr[row + 1]
        if not known:
            if score_rate > 0.0:
                score_labels(index, value, first, last, w, u)
            else:
                u[:] = 0.0
            answer_row(
                odds[row], u, rate[row], alike[row], alike_share[row], t, learn, objective, n_exchanges, sets, novelty,
                weights, own, tallies, inputs, final, weighed, found, p, place, members, sizes, proba[row], answer[row],
            )  # fmt: skip
        if learn:
            mix_learn(inputs, final, t, ungrouped, weight[row], weights, weights_information, own, gradient, work)
            note_thresholds(t, proba[row], rate[row], tallies)
            note_answer(t, answer[row], events)
            learn_labelset(
                t, odds[row], u, weight[row], score_rate * shrink[row], index, value, first, last, w, found, novelty, sets,
                weighed, members,
            )  # fmt: skip
            if header[N_SETS] == room:  # what is forgotten now is so for the next row, whether it is learned or not
                return row + 1, FULL
    return odds.shape[0], DONE
