"""From the log-odds of labels to probabilities and a labelset, joint over all labels; and what is learned for that."""

import math

import numpy as np

from ihomer.kernels.common import inner, jit
from ihomer.kernels.expected import (
    MOST_ACTIVE, active_labels, add_independent, add_seen, best_expected_f1, expected_f1,
)  # fmt: skip
from ihomer.kernels.labelsets import (
    N_EVENTS, N_MEMBERS, N_SETS, add_set, count_set, find_set, learn_factors, set_hash, weigh_sets,
)  # fmt: skip
from ihomer.kernels.mixing import mix_learn, mix_row
from ihomer.kernels.odds import POSITIVE, UNOBSERVED, bounded, log_odds, probability

HAMMING, SUBSET, EXAMPLE_F1, MICRO_F1, MACRO_F1, BALANCED = 0, 1, 2, 3, 4, 5
DONE, FULL = 0, 1
_KEEP = 0.999  # of the counts behind the thresholds, per event
_LEAST_CANDIDATE = 0.01  # posterior probability of a seen labelset that is tried as an answer
_MOST_CANDIDATES = 20
_NOVELTY_RATE = 0.3
_SHRINK = 5.0  # labels applied or predicted that the threshold of all labels counts for in a label's own
# What the balanced answer weighs: P(all right), expected example-F1, and the gains in micro-F1 and macro-F1.
_WORTH = (1.0, 1.5, 0.35, 0.15)
TRUE, SIZE, EVENTS = 0, 1, 2


@inner
def novelty_of(n_sets, covered, best_p, novelty):
    """Return the probability r that the labelset is a new one: ln(r / (1 - r)) = b_0 - b_1 ln(c / (1 - c)) - b_2 ln P(best).

    covered : share c of the labels' independent probability that seen labelsets hold; novelty : float64[3, 2], b and its
    summed squared gradients
    """
    if n_sets == 0:
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
def threshold(tally, shared, strength):
    """Return half the F1 that is reached, 2 TP / (predicted + true): the best threshold for F1 (Lipton et al. 2014)."""
    return (2.0 * tally[TRUE] + strength * 2.0 * shared) / (tally[SIZE] + strength) / 2.0


@inner
def worth(chosen, n_active, active, p, p_set, e_f1, total, tally):
    """Return what the balanced answer weighs for a set; total, tally : float64[3], float64[labels, 3], see `decode_rows`."""
    micro = threshold(total, 0.5, 2.0)
    gain, own_gain = 0.0, 0.0
    for j in range(n_active):
        if chosen[j]:
            label = active[j]
            own = threshold(tally[label], micro, _SHRINK)
            gain += p[label] - micro
            own_gain += (p[label] - own) / (tally[label, SIZE] + 4.0)
    events = total[EVENTS] + 3.0
    gain *= 2.0 * events / (total[SIZE] + 6.0)
    own_gain *= 2.0 * events / p.size
    return _WORTH[0] * p_set + _WORTH[1] * e_f1 + _WORTH[2] * gain + _WORTH[3] * own_gain


@inner
def set_probability(chosen, n_active, active, odds, log_none, new, covered, members, table, hashes, posterior):
    """Return the probability of a set of active labels: from the seen labelsets, or as a new one of independent labels."""
    size, log_p = 0, log_none
    for j in range(n_active):
        if chosen[j]:
            members[size] = active[j]
            log_p += odds[active[j]]
            size += 1
    found = find_set(set_hash(members, 0, size), table, hashes)
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
def above(p, n_active, active, total, tally, own, chosen):
    """Write the labels above the threshold for micro-F1, or, if `own`, above their own for macro-F1."""
    micro = threshold(total, 0.5, 2.0)
    for j in range(n_active):
        label = active[j]
        chosen[j] = p[label] > (threshold(tally[label], micro, _SHRINK) if own else micro)


@inner
def balanced(
    best, n_sets, none, joint, largest, p, n_active, active, odds, log_none, new, covered, ends, pool, members, table, hashes,
    posterior, place, total, tally, gain, trial, chosen,
):  # fmt: skip
    """Write the set of largest worth among the seen labelsets that are probable, and the best ones for each single score."""
    best_worth = -1e300
    answer = np.zeros(MOST_ACTIVE, np.uint8)
    tried, s = 0, -3
    while s < n_sets and tried < _MOST_CANDIDATES:
        if s == -3:
            best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
        elif s == -2:
            most_probable(best, n_active, active, odds, log_none, new, covered, ends, pool, members, table, hashes, posterior,
                          place, chosen)  # fmt: skip
        elif s == -1:
            above(p, n_active, active, total, tally, False, chosen)
        elif (1.0 - new) * posterior[s] > _LEAST_CANDIDATE:
            chosen[:n_active] = 0
            for k in range(ends[s], ends[s + 1]):
                if place[pool[k]] >= 0:
                    chosen[place[pool[k]]] = 1
        else:
            s += 1
            continue
        s += 1
        tried += 1
        size = 0
        for j in range(n_active):
            size += chosen[j]
        e_f1 = expected_f1(chosen, size, joint, n_active, largest) if size > 0 else none
        p_set = set_probability(chosen, n_active, active, odds, log_none, new, covered, members, table, hashes, posterior)
        w = worth(chosen, n_active, active, p, p_set, e_f1, total, tally)
        if w > best_worth:
            best_worth = w
            answer[:n_active] = chosen[:n_active]
    chosen[:n_active] = answer[:n_active]


@inner
def note_answers(target, p, total, tally):
    """Count what the thresholds for micro-F1 and macro-F1 answered: true positives, answered plus true, events; fading."""
    total *= _KEEP
    total[EVENTS] += 1.0
    micro = threshold(total, 0.5, 2.0)
    for label in range(target.size):
        t = tally[label]
        own = threshold(t, micro, _SHRINK)
        t *= _KEEP
        if target[label] == UNOBSERVED:
            continue
        y = 1.0 if target[label] == POSITIVE else 0.0
        if p[label] > micro:
            total[TRUE] += y
            total[SIZE] += 1.0
        total[SIZE] += y
        if p[label] > own:
            t[TRUE] += y
            t[SIZE] += 1.0
        t[SIZE] += y


@inner
def learn_labelset(target, weight, new, first, second, header, table, hashes, ends, pool, stats, last_seen, latest, likelihood,
                   recency, posterior, factor, information, novelty, members):  # fmt: skip
    """Take the labelset of an event in; one with unobserved labels is not known and not taken."""
    size = 0
    for label in range(target.size):
        if target[label] == UNOBSERVED:
            latest[header[N_EVENTS] % latest.size] = -1
            header[N_EVENTS] += 1
            return
        if target[label] == POSITIVE:
            members[size] = label
            size += 1
    h = set_hash(members, 0, size)
    found = find_set(h, table, hashes)
    w = min(weight, 8.0)
    if found >= 0:
        learn_factors(found, w, header, stats, likelihood, recency, posterior, factor, information)
    else:
        found = add_set(h, members, size, header, table, hashes, ends, pool, stats, last_seen)
    if header[N_SETS] > 1:
        learn_novelty(w * ((1.0 if stats[found, 0] == 0.0 else 0.0) - new), first, second, novelty)
    count_set(found, weight, header, stats, last_seen, latest)
    header[N_EVENTS] += 1


@jit
def decode_rows(
    odds, target, weight, learn, start, objective, header, table, hashes, ends, pool, stats, last_seen, latest, factor,
    information, novelty, shared, shared_information, own, own_bias, total, tally, proba, answer,
):  # fmt: skip
    """Turn mixed log-odds, float64[rows, labels], into probabilities and answers, row by row from `start`; learn if `learn`.

    The labelset is one of those seen, P = (1 - r) P(S), or, with probability r, of independent labels. The marginals of that
    are mixed with the log-odds themselves, which gives `proba`, float64[rows, labels]; answer : uint8[rows, labels], out.
    total : float64[3], tally : float64[labels, 3], true positives, answered plus true, and events behind the thresholds
    Return (row, DONE), or (row, FULL) where the table of labelsets has no room for that row.
    """
    n_labels = odds.shape[1]
    p, marginal, inputs = np.empty(n_labels), np.empty(n_labels), np.empty((n_labels, 2), np.float32)
    final = np.empty(n_labels)
    place, members = np.empty(n_labels, np.int64), np.empty(n_labels + 1, np.int32)
    active = np.empty(MOST_ACTIVE, np.int64)
    joint = np.zeros((MOST_ACTIVE, MOST_ACTIVE + 1))
    counts, without, gain = np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE + 1), np.empty(MOST_ACTIVE)
    trial, chosen = np.zeros(MOST_ACTIVE, np.uint8), np.zeros(MOST_ACTIVE, np.uint8)
    room = hashes.size
    likelihood, recency, posterior = np.empty(room), np.empty(room), np.empty(room)
    gradient, work = np.empty(2), np.empty((2, 2))
    for row in range(start, odds.shape[0]):
        q = odds[row]
        if learn and (header[N_SETS] == room or header[N_MEMBERS] + n_labels > pool.size):
            return row, FULL
        log_none = 0.0
        for label in range(n_labels):
            p[label] = probability(q[label])
            log_none += math.log(1.0 - p[label])
        best, covered = weigh_sets(
            q, log_none, header, ends, pool, stats, last_seen, latest, factor, likelihood, recency, posterior
        )
        n_sets = header[N_SETS]
        new, first, second = novelty_of(n_sets, covered, posterior[best] if best >= 0 else 1.0, novelty)
        n_active = active_labels(p, active, place)
        joint[:n_active, : n_active + 1] = 0.0
        marginal[:] = 0.0
        none, largest = add_seen(1.0 - new, n_sets, ends, pool, posterior, place, n_active, joint, marginal)
        none_new, largest_new = add_independent(new, p, active, n_active, joint, counts, without)
        none, largest = none + none_new, max(largest, largest_new)
        for label in range(n_labels):
            inputs[label, 0] = q[label]
            inputs[label, 1] = log_odds(marginal[label] + new * p[label], 1e-5)
        mix_row(inputs, shared, own, own_bias, final)
        for label in range(n_labels):
            marginal[label] = probability(final[label])
            proba[row, label] = marginal[label]
        if objective == SUBSET:
            most_probable(best, n_active, active, q, log_none, new, covered, ends, pool, members, table, hashes, posterior, place,
                          chosen)  # fmt: skip
        elif objective == EXAMPLE_F1:
            best_expected_f1(none, joint, n_active, largest, gain, trial, chosen)
        elif objective == MICRO_F1 or objective == MACRO_F1:
            above(marginal, n_active, active, total, tally, objective == MACRO_F1, chosen)
        elif objective == BALANCED:
            balanced(
                best, n_sets, none, joint, largest, marginal, n_active, active, q, log_none, new, covered, ends, pool, members,
                table, hashes, posterior, place, total, tally, gain, trial, chosen,
            )  # fmt: skip
        for label in range(n_labels):
            answer[row, label] = marginal[label] > 0.5 if objective == HAMMING else False
        if objective != HAMMING:
            for j in range(n_active):
                answer[row, active[j]] = chosen[j]
        if learn:
            t = target[row, :n_labels]
            mix_learn(inputs, final, t, weight[row], shared, shared_information, own, own_bias, gradient, work)
            note_answers(t, marginal, total, tally)
            learn_labelset(
                t, weight[row], new, first, second, header, table, hashes, ends, pool, stats, last_seen, latest, likelihood,
                recency, posterior, factor, information, novelty, members,
            )  # fmt: skip
    return odds.shape[0], DONE
