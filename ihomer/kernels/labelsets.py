"""The labelsets seen so far, and how probable each is for an event."""

import math
from typing import NamedTuple

import numpy as np

from ihomer.kernels.common import allocating, inner
from ihomer.kernels.expected import LEAST_POSTERIOR
from ihomer.kernels.linalg import solve_positive
from ihomer.kernels.linear import linear_score, linear_step
from ihomer.kernels.odds import MOST_ODDS, bounded
from ihomer.kernels.random import mix

N_SETS, N_EVENTS, N_MEMBERS = 0, 1, 2
COUNT, LOG_COUNT, RECENT = 0, 1, 2
KEEP_RECENT = 0.98  # of a labelset's recent weight, per event
LOOK_BACK = 256  # events after which a labelset has no recent weight
N_LATEST = 2048  # events whose labelsets are known
_LEAST_RECENT = 0.02
_NOT_RECENT = math.log(_LEAST_RECENT)
_FADED = KEEP_RECENT ** np.arange(LOOK_BACK + 1.0)
_NEGLIGIBLE = -10.0  # log-probability, relative to the largest, of a labelset that is left out
_EVEN = 0.02  # of all events, added to how often a labelset has occurred before that is compared with its share
_NOT_NEAR = 1e300  # in place of a lift
_IMPOSSIBLE = -1e9  # log-odds of a label of negligible probability
_NOT_COVERED = math.exp(-9.0)  # probability of a labelset that does not count as covered
_LEAST_LOG = -700.0  # of a probability that a float can hold
_MOST_SQUARE = 8.0  # of the errors of a step, as where four labels are taken for four others for sure: more would overshoot
N_FACTORS = 5
N_WORDS = 4  # of the signature of a labelset


class Labelsets(NamedTuple):
    """The labelsets seen so far, as kernels hand them to each other: set s has the labels pool[ends[s]:ends[s + 1]]."""

    header: np.ndarray  # int64[3]: how many sets, events, and labels in the pool
    table: np.ndarray  # int32[2^b]: numbers of sets by hash, open addressing; -1 = empty
    hashes: np.ndarray  # uint64[sets]
    signatures: np.ndarray  # uint64[4, sets], see `sign`
    ends: np.ndarray  # int64[sets + 1]
    pool: np.ndarray  # int32[...], the labels of each set ascending
    stats: np.ndarray  # float64[sets, 3]: count n_S, its logarithm, and how much of it is recent
    total_count: np.ndarray  # float64[1]: weight of all events
    last_seen: np.ndarray  # int64[sets]: number of the last event with the set
    latest: np.ndarray  # int32[2048]: sets of the last events, -1 where not known
    factor: np.ndarray  # float64[5], a of `weigh_sets`
    information: np.ndarray  # float64[5, 5], on these


class Weighed(NamedTuple):
    """What weighs in the labelsets for one event, float64[sets] each, valid where `live` says that a set matters."""

    likelihood: np.ndarray  # sum of the log-odds of its labels
    recency: np.ndarray  # log(recent n_S + 0.02)
    posterior: np.ndarray  # its probability
    lift: np.ndarray  # how much more it is expected among events like this one
    score: np.ndarray  # sum of the scores of its labels
    live: np.ndarray  # int32[sets]: the numbers of the sets that matter come first


class Work(NamedTuple):
    """Work space of one event."""

    possible: np.ndarray  # uint64[4], signature of the labels that may apply
    near: np.ndarray  # int32[m], labelsets of past events alike
    near_lift: np.ndarray  # float64[m]
    term: np.ndarray  # float64[labels], log-odds of those that may apply
    ratio: np.ndarray  # float64[labels], their exponentials
    mean: np.ndarray  # float64[5], of the factors
    step: np.ndarray  # float64[5]
    system: np.ndarray  # float64[5, 5]


@allocating
def work_of(n_labels, n_alike):
    """Return work space for so many labels and past events alike."""
    return Work(
        np.empty(N_WORDS, np.uint64), np.empty(n_alike, np.int32), np.empty(n_alike), np.empty(n_labels), np.empty(n_labels),
        np.empty(N_FACTORS), np.empty(N_FACTORS), np.empty((N_FACTORS, N_FACTORS)),
    )  # fmt: skip


@inner
def label_hash(label):
    """Return what a label adds to the hash of a set that holds it."""
    return mix(np.uint64(label) + np.uint64(1))


@inner
def set_hash(members, first, last):
    """Return a hash of a set of labels that does not depend on their order."""
    h = np.uint64(0)
    for k in range(first, last):
        h += label_hash(members[k])
    return h


@inner
def find_set(h, sets):
    """Return the number of the labelset with a hash, or -1."""
    table = sets.table
    mask = table.size - 1
    at = np.int64(h >> np.uint64(20)) & mask
    while table[at] >= 0:
        if sets.hashes[table[at]] == h:
            return np.int64(table[at])
        at = (at + 1) & mask
    return np.int64(-1)


@inner
def sign(label, signature):
    """Set the bit of a label in a signature, uint64[4]: label l has bit l % 64 of word (l // 64) % 4."""
    signature[(label >> 6) % N_WORDS] |= np.uint64(1) << np.uint64(label & 63)


@inner
def add_set(h, members, size, sets):
    """Append a labelset; return its number. The caller has made sure that there is room."""
    number, used = sets.header[N_SETS], sets.header[N_MEMBERS]
    mask = sets.table.size - 1
    at = np.int64(h >> np.uint64(20)) & mask
    while sets.table[at] >= 0:
        at = (at + 1) & mask
    sets.table[at] = number
    sets.hashes[number] = h
    sets.signatures[:, number] = 0
    for k in range(size):
        sign(members[k], sets.signatures[:, number])
        sets.pool[used + k] = members[k]
    sets.header[N_MEMBERS] = used + size
    sets.header[N_SETS] = number + 1
    sets.ends[number + 1] = used + size
    sets.stats[number] = 0.0
    sets.last_seen[number] = sets.header[N_EVENTS]
    return number


@inner
def sets_to_weigh(place, sets, live, possible):
    """Write the labelsets without a label of negligible probability to `live`, by their signatures; return how many.

    With more than 256 labels, some share a bit, and a labelset may be let through that is not to be weighed.
    place : int64[labels], -1 for a label of negligible probability; possible : of `Work`
    """
    signatures = sets.signatures
    possible[:] = 0
    for label in range(place.size):
        if place[label] >= 0:
            sign(label, possible)
    n_words = min(N_WORDS, (place.size + 63) >> 6)
    count = np.int64(0)
    for s in range(sets.header[N_SETS]):
        outside = signatures[0, s] & ~possible[0]
        for word in range(1, n_words):
            outside |= signatures[word, s] & ~possible[word]
        live[count] = s
        count += outside == 0
    return count


@inner
def latest_set(number, now, latest):
    """Return the labelset of an event by its number, -1 where it is not known or too long ago. latest : int32[2048]"""
    return latest[number % N_LATEST] if number >= max(now - N_LATEST, 0) and number < now else np.int32(-1)


@inner
def lift_of(shares, known, count, total):
    """Return how much more a labelset is expected among events like this one than in general.

    lift = x, or ln(1 + x) where x > 0; x = (v - t n / N) / (n / N + 0.02), v : `shares`, summed of the events alike that have
    it; t : `known`, of all whose labelsets are known; n : its count in all events, N : `total`, of all labelsets
    """
    x = (shares * total - known * count) / (count + _EVEN * total)
    return math.log(1.0 + x) if x > 0.0 else x


@inner
def lift_of_near(alike, alike_share, sets, lift, work):
    """Write the lift of each labelset with a positive sum of shares to `lift`, float64[sets], and 1e300 for the others; return
    the sum of all shares, at least 0.

    alike : int64[m], numbers of events, or -1; alike_share : float64[m]
    """
    n_sets, now = sets.header[N_SETS], sets.header[N_EVENTS]
    lift[:n_sets] = 0.0
    known, n_near, near, near_lift = 0.0, 0, work.near, work.near_lift
    for i in range(alike.size):
        s = latest_set(alike[i], now, sets.latest)
        if s >= 0:
            lift[s] += alike_share[i]
            known += alike_share[i]
    known = max(known, 0.0)
    for i in range(alike.size):
        s = latest_set(alike[i], now, sets.latest)
        if s >= 0 and lift[s] > 0.0:
            near[n_near], near_lift[n_near] = s, lift_of(lift[s], known, sets.stats[s, COUNT], sets.total_count[0])
            n_near += 1
            lift[s] = 0.0  # another event with this labelset finds it done
    lift[:n_sets] = _NOT_NEAR
    for i in range(n_near):
        lift[near[i]] = near_lift[i]
    return known


@inner
def write_factors(s, known, sets, weighed):
    """Write what weighs in a labelset beside its labels: log(recent n_S + 0.02), and its lift if that is not written yet."""
    age = sets.header[N_EVENTS] - sets.last_seen[s]
    weighed.recency[s] = _NOT_RECENT
    if age <= LOOK_BACK:
        weighed.recency[s] = math.log(sets.stats[s, RECENT] * _FADED[age] + _LEAST_RECENT)
    if weighed.lift[s] == _NOT_NEAR:
        weighed.lift[s] = lift_of(0.0, known, sets.stats[s, COUNT], sets.total_count[0])


@inner
def weigh_sets(odds, score, log_none, known, place, sets, weighed, work):
    """Write the probability of each seen labelset S that may matter to `weighed`; return how many, the best, and how much of
    all the labels' independent probability the seen labelsets hold.

    Only labelsets of labels that may apply matter: place : int64[labels], -1 for a label of negligible probability.
    log P(S) = a_1 sum over l in S of q_l + a_2 log n_S + a_3 log(recent n_S + 0.02) + a_4 lift_S + a_5 sum over l in S of u_l
    + constant
    odds : float64[labels], q; score : float32[labels or more], u of `score_labels`
    log_none : log-probability that no label applies
    known : what `lift_of_near` returned, which has written to `weighed.lift`
    """
    posterior, live, factor = weighed.posterior, weighed.live, sets.factor
    posterior[: sets.header[N_SETS]] = 0.0
    none, below = math.exp(max(log_none, _LEAST_LOG)), math.exp(min(log_none - _LEAST_LOG, 0.0))
    term, ratio = work.term, work.ratio
    for label in range(place.size):
        term[label], ratio[label] = _IMPOSSIBLE, 0.0
        if place[label] >= 0:
            term[label], ratio[label] = odds[label], math.exp(odds[label])
    largest, covered, n_possible = -1e300, 0.0, np.int64(0)
    for i in range(sets_to_weigh(place, sets, live, work.possible)):
        s = np.uint32(live[i])  # unsigned: never counted from the end of an array
        total, p, scored = 0.0, none, 0.0
        for k in range(sets.ends[s], sets.ends[s + 1]):
            label = np.uint32(sets.pool[k])
            total += term[label]
            p *= ratio[label]
            scored += score[label]
        if total < 0.5 * _IMPOSSIBLE:
            continue
        weighed.likelihood[s], weighed.score[s] = total, scored
        p *= below  # at the end, when `p` is no longer too small
        if p > _NOT_COVERED:
            covered += p
        write_factors(s, known, sets, weighed)
        lasting = factor[0] * total + factor[1] * sets.stats[s, LOG_COUNT]
        posterior[s] = lasting + factor[2] * weighed.recency[s] + factor[3] * weighed.lift[s] + factor[4] * scored
        largest = max(largest, posterior[s])
        live[n_possible] = s
        n_possible += 1
    total, best, n_live = 0.0, np.int64(-1), np.int64(0)
    for i in range(n_possible):
        s = np.uint32(live[i])
        score = posterior[s] - largest
        posterior[s] = 0.0
        if score > _NEGLIGIBLE:
            posterior[s] = math.exp(score)
            total += posterior[s]
            live[n_live] = s
            n_live += 1
            if score == 0.0 and best < 0:
                best = np.int64(s)
    for i in range(n_live):
        posterior[live[i]] /= total
    return n_live, best, min(max(covered, 1e-4), 1.0 - 1e-4)


@inner
def learn_factors(true_set, true_likelihood, true_score, weight, n_live, sets, weighed, work):
    """Take a Newton step on the log-probability of the labelset that applied: a += I^-1 (f_true - mean f), a >= 0.

    I += covariance of the factors under the posterior
    """
    stats, live, posterior, factor, information = sets.stats, weighed.live, weighed.posterior, sets.factor, sets.information
    likelihood, recency, lift, score = weighed.likelihood, weighed.recency, weighed.lift, weighed.score
    mean, step, square = work.mean, work.step, work.system
    mean[:] = 0.0
    for i in range(n_live):
        s = np.uint32(live[i])
        p = posterior[s]
        if p > LEAST_POSTERIOR:
            mean[0] += p * likelihood[s]
            mean[1] += p * stats[s, LOG_COUNT]
            mean[2] += p * recency[s]
            mean[3] += p * lift[s]
            mean[4] += p * score[s]
    xx, yx, yy, zx, zy, zz, vx, vy, vz, vv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    ux, uy, uz, uv, uu = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n_live):
        s = np.uint32(live[i])
        p = posterior[s]
        if p > LEAST_POSTERIOR:
            x, y, z, v = likelihood[s] - mean[0], stats[s, LOG_COUNT] - mean[1], recency[s] - mean[2], lift[s] - mean[3]
            u = score[s] - mean[4]
            px, py, pz, pv, pu = p * x, p * y, p * z, p * v, p * u
            xx, yx, yy, zx, zy, zz = xx + px * x, yx + py * x, yy + py * y, zx + pz * x, zy + pz * y, zz + pz * z
            vx, vy, vz, vv = vx + pv * x, vy + pv * y, vz + pv * z, vv + pv * v
            ux, uy, uz, uv, uu = ux + pu * x, uy + pu * y, uz + pu * z, uv + pu * v, uu + pu * u
    square[0, 0], square[1, 0], square[1, 1], square[2, 0], square[2, 1], square[2, 2] = xx, yx, yy, zx, zy, zz
    square[3, 0], square[3, 1], square[3, 2], square[3, 3] = vx, vy, vz, vv
    square[4, 0], square[4, 1], square[4, 2], square[4, 3], square[4, 4] = ux, uy, uz, uv, uu
    for k in range(N_FACTORS):
        for j in range(k + 1):
            information[k, j] += weight * square[k, j]
            square[k, j] = information[k, j]
    step[0] = weight * (true_likelihood - mean[0])
    step[1] = weight * (stats[true_set, LOG_COUNT] - mean[1])
    step[2] = weight * (recency[true_set] - mean[2])
    step[3] = weight * (lift[true_set] - mean[3])
    step[4] = weight * (true_score - mean[4])
    solve_positive(square, step, N_FACTORS)
    for i in range(N_FACTORS):
        factor[i] = min(max(factor[i] + step[i], 0.0), 4.0)


@inner
def score_labels(index, value, first, last, w, score):
    """Write u = W' x, at most 12 in magnitude, to `score`, float32[labels or more]; see `learn_scores`."""
    linear_score(index, value, first, last, w, score)
    for label in range(score.size):
        score[label] = bounded(float(score[label]), MOST_ODDS)


@inner
def learn_scores(true_set, rate, marginal, sets, index, value, first, last, w, error):
    """Take a step on the log-probability of the labelset that applied: W_l += rate e_l x 8 / max(8, sum of e^2).

    e_l = 1 if l is in it, else 0, less the `marginal` of l, its posterior probability. So labels are told apart that exclude
    each other, which models of single labels do not learn: a conditional random field over the labelsets seen (Ghamrawi and
    McCallum 2005).
    marginal : float64[labels]; w : float32[rows of weights + 1, labels or more]; error : float32[labels or more], work space
    """
    error[:] = 0.0
    for label in range(marginal.size):
        error[label] = -marginal[label]
    for k in range(sets.ends[true_set], sets.ends[true_set + 1]):
        error[np.uint32(sets.pool[k])] += np.float32(1.0)
    square = 0.0
    for label in range(error.size):
        square += float(error[label]) * float(error[label])
    rate *= _MOST_SQUARE / max(square, _MOST_SQUARE)
    for label in range(error.size):
        error[label] *= rate
    linear_step(index, value, first, last, w, error)


@inner
def count_set(number, weight, sets):
    """Take an event with a labelset into its counts."""
    sets.total_count[0] += weight
    now = sets.header[N_EVENTS]
    s = sets.stats[number]
    s[COUNT] += weight
    s[LOG_COUNT] = math.log(s[COUNT])
    s[RECENT] = s[RECENT] * KEEP_RECENT ** (now - sets.last_seen[number]) + weight
    sets.last_seen[number] = now
    sets.latest[now % N_LATEST] = number
