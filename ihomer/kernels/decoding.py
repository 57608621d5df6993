"""From the log-odds of labels to probabilities and a labelset, joint over all labels; and what is learned for that."""

import math

import numpy as np

from ihomer.kernels.common import copy_first, inner, jit
from ihomer.kernels.expected import (
    MOST_ACTIVE,
    active_labels,
    add_independent,
    add_seen,
    best_expected_f1,
    expected_f1,
)  # fmt: skip
from ihomer.kernels.labelsets import (
    N_EVENTS,
    N_MEMBERS,
    N_SETS,
    add_set,
    count_set,
    find_set,
    learn_factors,
    lift_of_near,
    set_hash,
    weigh_sets,
    write_factors,
)  # fmt: skip
from ihomer.kernels.mixing import mix_learn, mix_row
from ihomer.kernels.odds import POSITIVE, UNOBSERVED, bounded, log_odds, probability

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
LIKELIHOOD, RECENCY, POSTERIOR, LIFT = 0, 1, 2, 3  # of the labelsets, for one event
N_WEIGHTS = 4


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
def label_worth(n_active, active, p, rate, total, bands, tally, events, value):
    """Write what each active label adds to the worth of an answer: its gains in micro-F1 and macro-F1.

    Another label of probability p changes F1 = 2 TP / (answered + true) by (2 p - F1) / (answered + true), in the measure of
    all labels and in its own. events : float64[4], fading number of events, how many labels have been met, and what
    `note_answer` counts
    """
    way = best_way(total, N_THRESHOLDS)
    half = f1_of(total[way]) / 2.0
    n = events[N_EVENTS_FADED] + 3.0
    scale = _MICRO_WORTH * 2.0 * n / (total[way, SIZE] + 6.0)
    shared = shared_f1(total, bands)
    own_scale = _MACRO_WORTH * 2.0 * n / max(events[N_MET], 1.0)
    for j in range(n_active):
        label = active[j]
        k, own = best_threshold(shared[band_of(rate[label])], tally[label])
        value[j] = scale * (p[label] - half) + own_scale * (p[label] - own / 2.0) / (tally[label, k, SIZE] + 4.0)


@inner
def f1_worth(events):
    """Return what one more expected example-F1 is worth in the balanced answer, in right labelsets.

    min(3.6 A / F, 2.3), A and F the mean subset accuracy and example-F1 of the answers so far: a share of the one score is
    worth a share of the other, so that where hardly any labelset is right, each right one counts for much.
    """
    exact = events[EXACT] + _START_EVENTS * _START_EXACT
    return min(_F1_WORTH * exact / (events[F1] + _START_EVENTS * _START_F1), _MOST_F1_WORTH)


@inner
def set_probability(chosen, n_active, active, odds, log_none, new, covered, members, table, hashes, posterior):
    """Return the probability of a set of active labels: from the seen labelsets, or as a new one of independent labels."""
    size, log_p = np.int64(0), log_none
    for j in range(n_active):
        if chosen[j]:
            members[size] = active[j]
            log_p += odds[active[j]]
            size += 1
    found = find_set(set_hash(members, np.int64(0), size), table, hashes)
    if found >= 0:
        return (1.0 - new) * posterior[found]
    return new * math.exp(min(log_p, 0.0)) / (1.0 - covered)


@inner
def most_probable(best, n_active, active, odds, log_none, new, covered, ends, pool, members, table, hashes, posterior,
                  place, chosen):  # fmt: skip
    """Write the more probable of the best seen labelset and the set of all labels with q > 0."""
    for j in range(n_active):
        chosen[j] = odds[active[j]] > 0.0
    if best < 0:
        return
    p = set_probability(chosen, n_active, active, odds, log_none, new, covered, members, table, hashes, posterior)
    if p <= (1.0 - new) * posterior[best]:
        chosen[:n_active] = 0
        for k in range(ends[best], ends[best + 1]):
            if place[pool[k]] >= 0:
                chosen[place[pool[k]]] = 1


@inner
def above(p, n_active, active, least, chosen):
    """Write the labels with p > least."""
    for j in range(n_active):
        chosen[j] = p[active[j]] > least


@inner
def above_own(p, n_active, active, rate, total, bands, tally, chosen):
    """Write the labels that are above their own threshold."""
    shared = shared_f1(total, bands)
    for j in range(n_active):
        label = active[j]
        k, _ = best_threshold(shared[band_of(rate[label])], tally[label])
        chosen[j] = p[label] > _THRESHOLDS[k]


@inner
def balanced(
    best, live, n_live, none, joint, largest, p, n_active, active, odds, log_none, new, covered, ends, pool, members, table,
    hashes, posterior, place, rate, total, bands, tally, events, gain, trial, chosen,
):  # fmt: skip
    """Write the set of largest worth among the seen labelsets that are probable, and the best ones for each single score."""
    best_worth = -1e300
    answer, value = np.zeros(MOST_ACTIVE, np.uint8), np.empty(MOST_ACTIVE)
    label_worth(n_active, active, p, rate, total, bands, tally, events, value)
    worth_of_f1 = f1_worth(events)
    tried, i = 0, -3
    while i < n_live and tried < _MOST_CANDIDATES:
        s = live[i] if i >= 0 else -1
        if i == -3:
            best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
        elif i == -2:
            most_probable(best, n_active, active, odds, log_none, new, covered, ends, pool, members, table, hashes, posterior,
                          place, chosen)  # fmt: skip
        elif i == -1:
            above(p, n_active, active, _THRESHOLDS[best_way(total, N_THRESHOLDS)], chosen)
        elif (1.0 - new) * posterior[s] > _LEAST_CANDIDATE:
            chosen[:n_active] = 0
            for k in range(ends[s], ends[s + 1]):
                if place[pool[k]] >= 0:
                    chosen[place[pool[k]]] = 1
        else:
            i += 1
            continue
        i += 1
        tried += 1
        size, w = np.int64(0), 0.0
        for j in range(n_active):
            size += chosen[j]
            w += value[j] * chosen[j]
        e_f1 = expected_f1(chosen, size, joint, n_active, largest) if size > 0 else none
        p_set = set_probability(chosen, n_active, active, odds, log_none, new, covered, members, table, hashes, posterior)
        w += p_set + worth_of_f1 * e_f1
        if w > best_worth:
            best_worth = w
            copy_first(chosen, answer, n_active)
    copy_first(answer, chosen, n_active)


@inner
def note_thresholds(target, p, rate, total, bands, tally, events):
    """Count what each threshold would have answered, for all labels, each band and each label: true positives, answered plus
    true.
    """
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
        if tally[label, 0, SIZE] == 0.0:
            events[N_MET] += 1.0
        alike = bands[band_of(rate[label])]
        for k in range(N_THRESHOLDS):
            said = 1.0 if p[label] > _THRESHOLDS[k] else 0.0
            total[k, TRUE] += said * y
            total[k, SIZE] += said + y
            alike[k, TRUE] += said * y
            alike[k, SIZE] += said + y
            t = tally[label, k]
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
def note_way(target, chosen, n_active, active, tally):
    """Count what a joint answer was worth, as `note_thresholds` does."""
    tally *= _KEEP
    for label in range(target.size):
        if target[label] == POSITIVE:
            tally[SIZE] += 1.0
    for j in range(n_active):
        if chosen[j] and target[active[j]] != UNOBSERVED:
            tally[SIZE] += 1.0
            if target[active[j]] == POSITIVE:
                tally[TRUE] += 1.0


@inner
def learn_labelset(target, odds, weight, new, first, second, known, header, table, hashes, signatures, ends, pool, stats,
                   total_count, last_seen, latest, weights_of_sets, live, n_live, factor, information, novelty,
                   members):  # fmt: skip
    """Take the labelset of an event in; one with unobserved labels is not known and not taken."""
    size = np.int64(0)
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            latest[header[N_EVENTS] % latest.size] = -1
            header[N_EVENTS] += 1
            return
        if target[label] == POSITIVE:
            members[size] = label
            size += 1
    h = set_hash(members, np.int64(0), size)
    found = find_set(h, table, hashes)
    w = min(weight, 8.0)
    if found >= 0 and n_live > 0:
        write_factors(
            found, known, header, stats, total_count, last_seen, weights_of_sets[RECENCY], weights_of_sets[LIFT]
        )  # fmt: skip
        likely = 0.0
        for k in range(size):
            likely += odds[members[k]]
        learn_factors(
            found, likely, w, live, n_live, stats, weights_of_sets[LIKELIHOOD], weights_of_sets[RECENCY], weights_of_sets[LIFT],
            weights_of_sets[POSTERIOR], factor, information,
        )  # fmt: skip
    if found < 0:
        found = add_set(h, members, size, header, table, hashes, signatures, ends, pool, stats, last_seen)
    if header[N_SETS] > 1:
        learn_novelty(w * ((1.0 if stats[found, 0] == 0.0 else 0.0) - new), first, second, novelty)
    count_set(found, weight, header, stats, total_count, last_seen, latest)
    header[N_EVENTS] += 1


@inner
def keep_way(objective, learn, is_best, target, row, n_active, active, tally, chosen, answer):
    """For micro-F1, count a joint answer, and keep it where that way of answering has been the best."""
    if objective != MICRO_F1:
        return
    if is_best:
        copy_first(chosen, answer, n_active)
    if learn:
        note_way(target[row], chosen, n_active, active, tally)


@inner
def answer_row(
    q, target, row, learn, objective, alike, alike_share, header, table, hashes, signatures, ends, pool, stats, total_count,
    last_seen, latest, factor, novelty, weights, own, rate, total, bands, tally, events, inputs, final, weights_of_sets, live,
    found, p, place, members, joint, proba, answer,
):  # fmt: skip
    """Write the probabilities and the answer of a row, and what they were made from; see `decode_rows`."""
    n_labels = q.size
    marginal, active = np.empty(n_labels), np.empty(MOST_ACTIVE, np.int64)
    counts, without, gain = np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE)
    trial, chosen, final_choice = np.zeros((3, MOST_ACTIVE), np.uint8)
    recency, lift, posterior = weights_of_sets[RECENCY], weights_of_sets[LIFT], weights_of_sets[POSTERIOR]
    log_none = 0.0
    for label in range(n_labels):
        # A label not met so far takes no part: the answer must not depend on whether its name is known already.
        p[label] = probability(q[label]) if tally[label, 0, SIZE] > 0.0 else 0.0
        log_none += math.log(1.0 - p[label])
    n_active = active_labels(p, active, place)
    known = lift_of_near(alike, alike_share, header, stats, total_count, latest, lift)
    n_live, best, covered = weigh_sets(
        q, log_none, known, header, signatures, ends, pool, stats, total_count, last_seen, factor, place,
        weights_of_sets[LIKELIHOOD], recency, lift, posterior, live,
    )  # fmt: skip
    new, first, second = novelty_of(n_live, covered, posterior[best] if best >= 0 else 1.0, novelty)
    found[0], found[1], found[2], found[3], found[4] = n_live, new, first, second, known
    joint[:n_active, : n_active + 1] = 0.0
    marginal[:] = 0.0
    none, largest = add_seen(1.0 - new, live, n_live, ends, pool, posterior, place, n_active, joint, marginal)
    none_new, largest_new = add_independent(new, p, active, n_active, joint, counts, without)
    none, largest = none + none_new, max(largest, largest_new)
    for label in range(n_labels):
        inputs[label, 0] = q[label]
        met = tally[label, 0, SIZE] > 0.0
        inputs[label, 1] = log_odds(marginal[label] + new * p[label], 1e-5) if met else q[label]
    mix_row(inputs, np.zeros(n_labels, np.uint8), weights, own, final)
    for label in range(n_labels):
        proba[label] = probability(final[label])
    rule = best_way(total, N_WAYS) if objective == MICRO_F1 else np.int64(-1)
    if objective in (EXAMPLE_F1, MICRO_F1):
        best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
        keep_way(objective, learn, rule == BEST_F1, target, row, n_active, active, total[BEST_F1], chosen, final_choice)
    if objective in (SUBSET, MICRO_F1):
        most_probable(best, n_active, active, q, log_none, new, covered, ends, pool, members, table, hashes, posterior, place,
                      chosen)  # fmt: skip
        keep_way(objective, learn, rule == MOST_PROBABLE, target, row, n_active, active, total[MOST_PROBABLE], chosen,
                 final_choice)  # fmt: skip
    if objective in (BALANCED, MICRO_F1):
        balanced(
            best, live, n_live, none, joint, largest, proba, n_active, active, q, log_none, new, covered, ends, pool, members,
            table, hashes, posterior, place, rate, total, bands, tally, events, gain, trial, chosen,
        )  # fmt: skip
        keep_way(objective, learn, rule == BALANCE, target, row, n_active, active, total[BALANCE], chosen, final_choice)
    if objective == MACRO_F1:
        above_own(proba, n_active, active, rate, total, bands, tally, chosen)
    if objective == MICRO_F1:
        if rule < N_THRESHOLDS:
            above(proba, n_active, active, _THRESHOLDS[rule], final_choice)
        copy_first(final_choice, chosen, n_active)
    for label in range(n_labels):
        answer[label] = proba[label] > 0.5 if objective == HAMMING else False
    if objective != HAMMING:
        for j in range(n_active):
            answer[active[j]] = chosen[j]


@jit
def decode_rows(
    odds, rate, alike, alike_share, target, weight, learn, known, start, objective, header, table, hashes, signatures, ends,
    pool, stats, total_count, last_seen, latest, factor, information, novelty, weights, weights_information, own, total, bands,
    tally, events, inputs, final, weights_of_sets, live, found, proba, answer,
):  # fmt: skip
    """Turn mixed log-odds, float64[rows, labels], into probabilities and answers, row by row from `start`; learn if `learn`.

    The labelset is one of those seen, P = (1 - r) P(S), or, with probability r, of independent labels. The marginals of that
    are mixed with the log-odds themselves, which gives `proba`, float64[rows, labels]; answer : uint8[rows, labels], out.
    rate : float32[rows, labels], log-odds of how often each label has applied
    alike, alike_share : int64[rows, m], float64[rows, m], past events like each row, and what their labelsets count there
    total : float64[ways, 2], bands : float64[bands, thresholds, 2], tally : float64[labels, thresholds, 2], true positives,
    and answered plus true
    What an answer is made from, and what is learned with: inputs : float32[labels, 2]; final : float64[labels];
    weights_of_sets : float64[4, sets]; live : int32[sets]; found : float64[5]
    known : these, `proba` and `answer` already hold what a call without `learn` wrote for the one row, and nothing was learned
    since. Not for micro-F1, which counts its ways to answer while it answers.
    Return (row, DONE), or (row, FULL) where there is no room for the labelset of that row.
    """
    n_labels = odds.shape[1]
    p, place, members = np.empty(n_labels), np.empty(n_labels, np.int64), np.empty(n_labels + 1, np.int32)
    joint = np.empty((MOST_ACTIVE, MOST_ACTIVE + 1))
    room = hashes.size
    gradient, work, ungrouped = np.empty((1, 3)), np.empty((3, 3, 4)), np.zeros(n_labels, np.uint8)
    for row in range(start, odds.shape[0]):
        if learn and (header[N_SETS] == room or header[N_MEMBERS] + n_labels > pool.size):
            return row, FULL
        if not known:
            answer_row(
                odds[row], target, row, learn, objective, alike[row], alike_share[row], header, table, hashes, signatures, ends,
                pool, stats, total_count, last_seen, latest, factor, novelty, weights, own, rate[row], total, bands, tally,
                events, inputs, final, weights_of_sets, live, found, p, place, members, joint, proba[row], answer[row],
            )  # fmt: skip
        if learn:
            t = target[row, :n_labels]
            mix_learn(inputs, final, t, ungrouped, weight[row], weights, weights_information, own, gradient, work)
            note_thresholds(t, proba[row], rate[row], total, bands, tally, events)
            note_answer(t, answer[row], events)
            learn_labelset(
                t, odds[row], weight[row], found[1], found[2], found[3], found[4], header, table, hashes, signatures, ends,
                pool, stats, total_count, last_seen, latest, weights_of_sets, live, np.int64(found[0]), factor, information,
                novelty, members,
            )  # fmt: skip
            if header[N_SETS] == room:  # what is forgotten now is so for the next row, whether it is learned or not
                return row + 1, FULL
    return odds.shape[0], DONE
