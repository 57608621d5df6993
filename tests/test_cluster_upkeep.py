"""What becomes of label clusters that are not as the counts would have them."""

from ihomer.partition import LabelPartition


def learned(events, **settings):
    """Return a partition that has learned events a hundred times and has not looked at its clusters yet."""
    partition = LabelPartition(n_min=10**6, **settings)
    for _ in range(100):
        for labels in events:
            partition.learn_one(labels)
    return partition


def put(partition, clusters):
    """Put labels, which are their own indices, into clusters."""
    upkeep = partition._upkeep
    leaves = [upkeep.tree.plant()]
    while len(leaves) < len(clusters):
        leaves += upkeep.tree.split(leaves.pop(), 1.0, 0.1)
    for leaf, labels in zip(leaves, clusters, strict=True):
        upkeep.cluster[list(labels)] = leaf


def checked(partition):
    """Look at the clusters once; return them as sets of labels."""
    upkeep = partition._upkeep
    upkeep.check()
    assert sorted(upkeep.tree.leaves()) == sorted(partition.clusters)
    return {frozenset(labels) for labels in partition.clusters.values()}


def test_a_cluster_whose_last_labels_have_moved_away_is_taken_away():
    partition = learned([{0, 1, 2, 6}, {3, 4, 5, 7}], min_cluster_size=2, max_cluster_size=4)
    put(partition, [{0, 1, 2}, {3, 4, 5}, {6, 7}])  # neither has room for both
    assert checked(partition) == {frozenset({0, 1, 2, 6}), frozenset({3, 4, 5, 7})}


def test_a_cluster_joins_another_where_both_just_fit():
    partition = learned([{0, 1, 2, 3}, {4, 5, 6, 7}], min_cluster_size=2, max_cluster_size=4)
    put(partition, [{0, 1}, {4, 5, 6, 7}, {2, 3}])
    assert checked(partition) == {frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7})}


def test_large_labelsets_do_not_keep_clusters_of_half_the_largest_size_from_being_cut_off():
    partition = learned([{*range(7)}, {*range(7)}, {7, 8, 9}], max_cluster_size=5)
    assert partition._upkeep.counts.size_count.argmax() == 7
    found = checked(partition)
    assert frozenset({7, 8, 9}) in found
    assert all(3 <= len(cluster) <= 5 for cluster in found)
