"""From the log-odds of labels to probabilities and a labelset, joint over all labels; and what is learned for that."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels import labelsets, mixing
from ihomer.kernels.answers import Case, Choice, Joint, choice_of, choose_answer
from ihomer.kernels.common import inner, jit
from ihomer.kernels.expected import MOST_ACTIVE, active_labels, add_independent, add_seen
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
from ihomer.kernels.tallies import SIZE, Tallies, note_answer, note_expected

DONE, FULL = 0, 1
_NOVELTY_RATE = 0.3  # of the steps of `learn_novelty`
N_LIVE, NEW, FIRST, SECOND, KNOWN = 0, 1, 2, 3, 4  # of what was found out about the seen labelsets: see `answer_row`
N_FOUND = 5
N_WEIGHTS = 5  # of a labelset, for one event


class Mixture(NamedTuple):
    """What mixes the log-odds of labels by themselves with those that labelsets have, as in `mix_row` and `mix_learn`."""

    weights: np.ndarray  # float64[1, 3]
    information: np.ndarray  # float64[1, 3, 3]
    own: np.ndarray  # float64[labels, 4]


class Made(NamedTuple):
    """What the answer to a row was made from, and what is learned with."""

    inputs: np.ndarray  # float32[labels, 2], of the mixture
    final: np.ndarray  # float64[labels], what comes out of it
    marginal: np.ndarray  # float64[labels], their probabilities if the labelset is one of those seen
    weighed: Weighed
    score: np.ndarray  # float32[labels or more], u of `score_labels`
    found: np.ndarray  # float64[5], what was found out about the seen labelsets


class Space(NamedTuple):
    """Work space of one row."""

    p: np.ndarray  # float64[labels], probabilities of labels by themselves
    place: np.ndarray  # int64[labels], of a label among the active ones
    active: np.ndarray  # int64[64], these
    counts: np.ndarray  # float64[65], of `add_independent`
    without: np.ndarray  # float64[65], of the same
    sizes: np.ndarray  # float64[64, 65], of `Joint`
    ungrouped: np.ndarray  # uint8[labels], 0: for the mixture, which has no groups
    sets: labelsets.Work
    mixing: mixing.Work
    choice: Choice


@inner
def novelty_of(n_live, covered, best_p, novelty):
    """Return the probability r that the labelset is a new one, and the two logarithms that it comes from:
    ln(r / (1 - r)) = b_0 - b_1 ln(c / (1 - c)) - b_2 ln P(best).

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
def learn_labelset(target, odds, weight, rate, index, value, first, last, w, made, novelty, sets, space):
    """Take the labelset of an event in; one with unobserved labels is not known and not taken.

    rate : of the step of the scores of labels, `made.score`, which are overwritten
    """
    header, found, score, weighed, members = sets.header, made.found, made.score, made.weighed, space.choice.members
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
        learn_factors(number, likely, scored, own, n_live, sets, weighed, space.sets)
        if rate > 0.0:
            learn_scores(number, rate * own, made.marginal, sets, index, value, first, last, w, score)
    if number < 0:
        number = add_set(h, members, size, sets)
    if header[N_SETS] > 1:
        is_new = 1.0 if sets.stats[number, 0] == 0.0 else 0.0
        learn_novelty(own * (is_new - found[NEW]), found[FIRST], found[SECOND], novelty)
    count_set(number, weight, sets)
    header[N_EVENTS] += 1


@inner
def answer_row(
    q, alike, alike_share, objective, n_exchanges, sets, novelty, mixture, tallies, made, space, proba, answer
):  # fmt: skip
    """Write the probabilities and the answer of a row, and what they were made from; see `decode_rows`."""
    n_labels, p, place, active, sizes = q.size, space.p, space.place, space.active, space.sizes
    inputs, final, marginal, weighed, found = made.inputs, made.final, made.marginal, made.weighed, made.found
    log_none = 0.0
    for label in range(n_labels):
        # A label not met so far takes no part: the answer must not depend on whether its name is known already.
        p[label] = probability(q[label]) if tallies.own[label, SIZE] > 0.0 else 0.0
        log_none += math.log(1.0 - p[label])
    n_active = active_labels(p, active, place)
    known = lift_of_near(alike, alike_share, sets, weighed.lift, space.sets)
    n_live, best, covered = weigh_sets(q, made.score, log_none, known, place, sets, weighed, space.sets)
    new, first, second = novelty_of(n_live, covered, weighed.posterior[best] if best >= 0 else 1.0, novelty)
    found[N_LIVE], found[NEW], found[FIRST], found[SECOND], found[KNOWN] = n_live, new, first, second, known
    sizes[:n_active, : n_active + 1] = 0.0
    marginal[:] = 0.0
    none, largest = add_seen(
        1.0 - new, weighed.live, n_live, sets.ends, sets.pool, weighed.posterior, place, n_active, sizes, marginal
    )
    none_new, largest_new = add_independent(new, p, active, n_active, sizes, space.counts, space.without)
    for label in range(n_labels):
        inputs[label, 0] = q[label]
        met = tallies.own[label, SIZE] > 0.0
        inputs[label, 1] = log_odds((1.0 - new) * marginal[label] + new * p[label], 1e-5) if met else q[label]
    mix_row(inputs, space.ungrouped, mixture.weights, mixture.own, space.mixing.both, final)
    for label in range(n_labels):
        proba[label] = probability(final[label])
    case = Case(n_active, active, place, q, log_none, new, covered, best, n_live)
    joint = Joint(none + none_new, max(largest, largest_new), sizes)
    choose_answer(objective, n_exchanges, case, proba, joint, sets, weighed, tallies, space.choice, answer)


@jit
def decode_rows(
    odds, features, alike, target, judged, weight, learn, known, start, objective, score_rate, n_exchanges, of_sets, w,
    novelty, of_mixture, of_tallies, made_from, proba, answer,
):  # fmt: skip
    """Turn mixed log-odds, float64[rows, labels], into probabilities and answers, row by row from `start`; learn if `learn`.

    The labelset is one of those seen, P = (1 - r) P(S), or, with probability r, of independent labels. The marginals of that
    are mixed with the log-odds themselves, which gives `proba`, float64[rows, labels]; answer : bool[rows, labels], out.
    judged : uint8[rows, labels], as `target`, but UNOBSERVED where the mixture is not to learn
    features : indptr, index and value of the rows, and what they are multiplied by before they are learned from
    score_rate, w : rate of `learn_scores`, 0 where there are no scores, and its weights; n_exchanges : see `balanced`
    alike : int64[rows, m], float64[rows, m], past events like each row, and what their labelsets count there
    of_sets : `Labelsets`; novelty : of `novelty_of`; of_mixture : `Mixture`; of_tallies : `Tallies`
    made_from : the arrays of `Made`, those of labels as float64[2, labels]; of `Weighed` float64[5, sets] and int32[sets]
    known : these, `proba` and `answer` already hold what a call without `learn` wrote for the one row, and nothing was learned
    since
    Return (row, DONE), or (row, FULL) where there is no room for the labelset of that row.
    """
    indptr, index, value, shrink = features
    sets, mixture, tallies = Labelsets(*of_sets), Mixture(*of_mixture), Tallies(*of_tallies)
    inputs, by_label, by_set, live, score, found = made_from
    n_labels, header, room = odds.shape[1], sets.header, sets.hashes.size
    space = Space(
        np.empty(n_labels), np.empty(n_labels, np.int64), np.empty(MOST_ACTIVE, np.int64), np.empty(MOST_ACTIVE + 1),
        np.empty(MOST_ACTIVE + 1), np.empty((MOST_ACTIVE, MOST_ACTIVE + 1)), np.zeros(n_labels, np.uint8),
        labelsets.work_of(n_labels, alike[0].shape[1]), mixing.work_of(mixture.weights), choice_of(n_labels),
    )  # fmt: skip
    u = score[: padded(n_labels, w.shape[1])]
    weighed = Weighed(by_set[0], by_set[1], by_set[2], by_set[3], by_set[4], live)
    made = Made(inputs, by_label[0], by_label[1], weighed, u, found)
    for row in range(start, odds.shape[0]):
        if learn and (header[N_SETS] == room or header[N_MEMBERS] + n_labels > sets.pool.size):
            return row, FULL
        t = target[row, :n_labels]
        first, last = indptr[row], indptr[row + 1]
        if not known:
            if score_rate > 0.0:
                score_labels(index, value, first, last, w, u)
            else:
                u[:] = 0.0
            answer_row(
                odds[row], alike[0][row], alike[1][row], objective, n_exchanges, sets, novelty, mixture, tallies, made, space,
                proba[row], answer[row],
            )  # fmt: skip
        if learn:
            mix_learn(
                inputs, made.final, judged[row, :n_labels], space.ungrouped, weight[row], mixture.weights, mixture.information,
                mixture.own, space.mixing,
            )  # fmt: skip
            note_expected(t, proba[row], tallies)
            note_answer(t, answer[row], tallies.events)
            learn_labelset(
                t, odds[row], weight[row], score_rate * shrink[row], index, value, first, last, w, made, novelty, sets,
                space,
            )  # fmt: skip
            if header[N_SETS] == room:  # what is forgotten now is so for the next row, whether it is learned or not
                return row + 1, FULL
    return odds.shape[0], DONE
