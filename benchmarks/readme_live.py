"""What README.md says of live runs and of model files, from benchmarks/results."""

from itertools import pairwise
from typing import Any

from benchmarks.common import load
from benchmarks.readme_parts import table


def kills() -> str:
    """Return how many kills were survived."""
    found = load("kills")
    wrong = found["answered_twice"] + found["not_answered"] + found["answers_that_differ"]
    return (
        f"{found['n_events']:,} events in 3 partitions, {found['events'] - found['n_events']:,} of them with labels that "
        f"came late; ended by SIGKILL {found['kills_by_the_clock'] + found['kills_at_a_step']} times "
        f"({found['kills_by_the_clock']} by the clock, {found['kills_at_a_step']} around and within journal notes, commits and "
        f"checkpoints), the broker restarted under it {found['broker_restarts']} times: {found['answers']:,} answers, "
        f"{wrong} of them missing, doubled or different from those of a calm pass in the same order; the last checkpoint is "
        f"{'equal byte for byte' if found['last_checkpoint_is_equal'] else 'NOT equal'}."
    )


def cluster() -> str:
    """Return what became of a run whose brokers were restarted, killed and stopped."""
    found = load("cluster")
    wrong = found["answered_twice"] + found["not_answered"] + found["answers_that_differ"]
    longest = max(seconds for what, seconds in found["longest_standstill_seconds"].items() if not what.startswith("two"))
    brokers, away, hanging = found["brokers"], found["seconds_away"], found["seconds_hanging"]
    return (
        f"{brokers} brokers that keep each message {brokers} times, {found['events_per_second']:.0f} events per second in "
        f"{found['partitions']} partitions; all brokers restarted one after the other; a leader, the coordinator of the "
        f"transactions and the controller killed and away for {away:.0f} s; a leader and the coordinator hanging for "
        f"{hanging:.0f} s; two of three away: {found['answers']:,} answers, {wrong} of them missing, doubled or different from "
        "those of a calm pass in the same order; the last checkpoint is "
        f"{'equal byte for byte' if found['last_checkpoint_is_equal'] else 'NOT equal'}. While two brokers were there, answers "
        f"stood still for {longest} s at most."
    )


def standstills() -> str:
    """Return how long answers stood still whatever was done to the brokers."""
    found = load("cluster")["longest_standstill_seconds"]
    return table(["brokers", "seconds without an answer, at most"], [[what, str(seconds)] for what, seconds in found.items()])


def poison() -> str:
    """Return what became of malformed messages."""
    found = load("live_poison")
    return (
        f"{found['malformed']:,} malformed messages of {found['kinds']} kinds among {found['good']:,} good ones: "
        f"{found['answers']:,} answers, {found['answered_twice']} twice, {found['dead_letters']:,} dead letters, "
        f"{found['wrong_code_or_place']} with a wrong code or place, exit code {found['exit_code']}."
    )


def throughput() -> str:
    """Return events per second of each layer."""
    found = load("live_throughput")
    rates, shares = found["events_per_second"], found["share_of_bare_client"]
    spans = found["events_per_second_least_and_most"]
    rows = [
        [name, f"{rate:,}", f"{spans[name][0]:,} to {spans[name][1]:,}", f"{shares[name]:.3f}"] for name, rate in rates.items()
    ]
    around = found["seconds_around_the_learner_over_its_own"]
    return (
        table(
            [
                "one process, 100 features, 20 labels", f"events per second, median of {found['n_rounds']} rounds",
                "least and most", "share of the bare client",
            ],
            rows,
        )
        + f"\n\nAll that is around the learner takes {around:.2f} times as long as the learner itself. Alone the client is far "
        "faster than either."
    )


def resume() -> str:
    """Return the times of checkpoints and restarts."""
    found = load("live_resume")

    def row(name: str, times: dict[str, Any]) -> list[str]:
        seconds = [f"{times[part]:.3f}" for part in ("pack_seconds", "write_seconds", "restore_seconds")]
        return [name, f"{times['megabytes']:.1f}", *seconds]

    rows = [row(f"{times['features']:,} features, {times['labels']} labels", times) for times in found["by_size"]]
    rows += [row(f"8 features, 5 labels, after {times['events']:,} events", times) for times in found["by_events"]]
    return table(["model", "MB", "s to pack", "s to write", "s to be back"], rows)


def soak() -> str:
    """Return what a long run did."""
    found = load("live_soak")
    later = [sample for sample in found["samples"] if sample[0] > found["samples"][-1][0] / 3]
    rise, at = max((after[1] - before[1], after[0]) for before, after in pairwise(later))
    return (
        f"{found['minutes']:.0f} minutes at full rate beside producer and broker on the same two cores: {found['messages']:,} "
        f"messages ({found['messages_per_second']:,} per second), {found['answers']:,} answers to "
        f"{found['events_predicted']:,} events, {found['answered_twice']} twice; memory {found['megabytes_at_a_third']:.0f} MB "
        f"after a third of the time, {found['megabytes_at_the_end']:.0f} MB at the end; the largest rise between, "
        f"{rise:.0f} MB, after {at / 60:.0f} minutes. Another process had compiled its kernels: the one that compiles holds "
        f"{found['more_megabytes_where_kernels_are_compiled']:.0f} MB more for as long as it lives."
    )


def fuzz() -> str:
    """Return what altered model files did."""
    found = load("fuzz_files")
    outcomes = found["outcomes"]
    bad = sum(outcomes[name] for name in ("fails", "crash", "hang", "memory"))
    return (
        f"Of {found['n_files']:,} altered model files, most of them with a checksum made to fit, {outcomes['refused']:,} were "
        f"refused, {outcomes['equal']:,} gave the same model, and {outcomes['differs, but works']:,} another sound one, which "
        f"learned, answered, and was saved and loaded again; {bad} failed in that, crashed, hung or took more memory than the "
        "file is worth."
    )


LIVE_BLOCKS = {
    "kills": kills, "cluster": cluster, "standstills": standstills, "poison": poison, "throughput": throughput,
    "resume": resume, "soak": soak, "fuzz": fuzz,
}  # fmt: skip
