"""`ihomer run` over three real brokers that hang, or are killed and stay away; `python -m benchmarks.cluster` does more."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from benchmarks.kafka_cluster import Cluster
from streams.checkpoint import CheckpointFolder
from tests.killing import differences
from tests.test_live_kafka import IHOMER, ROOT, finish, run_arguments, start, wait_until

kafka_client = pytest.importorskip("kafka")

# Of Kafka's own times a third or less: the test would take minutes.
_QUICK = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
_PATIENCE = "[kafka]\nrequest_timeout_ms = 3000\n"


@pytest.fixture
def three_brokers(broker_or_skip: None) -> Iterator[Cluster]:
    with Cluster(settings=_QUICK) as cluster:
        yield cluster


def test_brokers_that_hang_or_are_lost_end_no_run_and_cost_no_answer(three_brokers, tmp_path):
    address = f"kafka://{three_brokers.address}"
    events = ["--events", "1200", "--rate", "100", "--late-share", "0.05", "--partitions", "3", "--quiet"]
    producer = subprocess.Popen([*IHOMER, "generate", "--to", f"{address}/events", *events], cwd=ROOT)
    folder, config = tmp_path / "run", tmp_path / "run.toml"
    config.write_text(_PATIENCE)
    # For so long a broker that hangs may keep the producer from all partitions.
    more = ["--config", str(config), "--every", "300", "--keep", "10000", "--idle-exit", "20"]
    run = start(run_arguments((f"kafka://127.0.0.1:1,{three_brokers.address}", "events"), folder, *more))
    try:
        told = wait_until(run, "event=started")
        told += wait_until(run, "event=checkpoint")
        hanging = three_brokers.coordinator(f"ihomer-{CheckpointFolder(folder).run}")
        three_brokers.brokers[hanging].pause()
        told += wait_until(run, "event=checkpoint")
        three_brokers.brokers[hanging].go_on()
        time.sleep(2.0)
        three_brokers.wait_until_whole()
        three_brokers.brokers[three_brokers.leader("events", 0)].kill()
        assert producer.wait(60) == 0
        code, _, rest = finish(run)
    finally:
        for process in (producer, run):
            process.kill()
            process.wait()
    assert code == 0, rest
    assert "event=reconnecting" not in told + rest
    found = differences(three_brokers.address, folder, "events", "events-answers", "events-dead")
    wrong = ("answered_twice", "not_answered", "answers_that_differ", "dead_letters", "dead_letters_that_differ")
    assert [found[part] for part in wrong] == [0] * len(wrong)
    assert found["answers"] == 1200
    assert found["last_checkpoint_is_equal"]
