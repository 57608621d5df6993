"""Three real Kafka brokers on loopback that keep each message three times."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from benchmarks.kafka_broker import Broker, free_ports

__all__ = ["Cluster"]

_NODES = 3
_SETTINGS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # What Kafka has by itself: so long a partition or a coordinator is away whose broker was killed.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
}


class Cluster:
    """Three Kafka brokers, each a controller too; topics are kept by all of them, and take messages while two are there.

    They end when the process that made them ends, however that happens.

    Parameters
    ----------
    memory
        Heap of each Java machine, as in `-Xmx`.
    settings
        More lines of server.properties.

    Attributes
    ----------
    brokers
        By number, from 1.
    address
        HOST:PORT of all of them, with commas.

    Examples
    --------
    >>> with Cluster() as cluster:  # doctest: +SKIP
    ...     cluster.brokers[cluster.leader("events", 0)].kill()
    """

    def __init__(self, memory: str = "320m", settings: dict[str, str] | None = None) -> None:
        controllers = free_ports(_NODES)
        everything = {**_SETTINGS, **(settings or {})}
        self.brokers = {n: Broker(memory, everything, node=n, controllers=controllers) for n in range(1, _NODES + 1)}
        self.address = ",".join(broker.address for broker in self.brokers.values())

    def start(self) -> None:
        """Start all brokers at once, as none answers alone, and wait until all of them answer; see `Broker.start`."""
        with ThreadPoolExecutor(_NODES) as pool:
            for started in [pool.submit(broker.start) for broker in self.brokers.values()]:
                started.result()

    def close(self) -> None:
        """Kill all brokers and delete their directories; safe to call twice."""
        for broker in self.brokers.values():
            broker.close()

    def roll(self, seconds: float = 60.0) -> None:
        """Restart one broker after the other in good order, each as soon as all copies are there again."""
        for broker in self.brokers.values():
            broker.restart()
            self.wait_until_whole(seconds)

    def wait_until_whole(self, seconds: float = 60.0) -> None:
        """Wait until all brokers hold all of what they should.

        Raises
        ------
        TimeoutError
            If that takes longer than so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not self._is_whole():
            if time.monotonic() > deadline:
                raise TimeoutError("some copies are behind")
            time.sleep(0.2)

    def leader(self, topic: str, partition: int) -> int:
        """Return the number of the broker that leads a partition, -1 where none does."""
        [found] = self.ask(lambda admin: admin.describe_topics([topic]))
        return next(int(one["leader_id"]) for one in found["partitions"] if one["partition_index"] == partition)

    def coordinator(self, transactional_id: str) -> int:
        """Return the number of the broker that coordinates transactions."""
        found = self.ask(lambda admin: admin.describe_transactions([transactional_id]))
        return int(found[transactional_id].coordinator_id)

    def controller(self) -> int:
        """Return the number of the broker that is the controller."""
        found = self.ask(lambda admin: admin.describe_metadata_quorum())
        return int(found["topics"][0]["partitions"][0]["leader_id"])

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """Return what an administrator of the brokers that run is told."""
        with closing(KafkaAdminClient(bootstrap_servers=self.address)) as admin:
            return question(admin)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_whole(self) -> bool:
        try:
            topics = self.ask(lambda admin: admin.describe_topics(None))
        except KafkaError:
            return False
        return all(len(one["isr_nodes"]) == len(one["replica_nodes"]) for topic in topics for one in topic["partitions"])
