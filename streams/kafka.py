"""Kafka topics as sources and sinks. To import it is to import the client, so import it where it is needed."""

from streams.kafka_sink import KafkaEventSink, KafkaSink
from streams.kafka_source import KafkaSource

__all__ = ["KafkaEventSink", "KafkaSink", "KafkaSource"]
