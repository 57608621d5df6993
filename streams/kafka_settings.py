"""What settings of the Kafka client may be, where the client itself does not look."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from streams.config import ConfigError

__all__ = ["check_settings"]

_RESERVED = frozenset(
    [
        "acks", "allow_auto_create_topics", "auto_commit_interval_ms", "auto_offset_reset", "bootstrap_servers",
        "check_crcs", "consumer_timeout_ms", "default_offset_commit_callback", "delivery_timeout_ms",
        "enable_auto_commit", "enable_idempotence", "exclude_internal_topics", "fetch_max_bytes", "group_id",
        "group_instance_id", "isolation_level", "kafka_client", "key_deserializer", "key_serializer", "max_block_ms",
        "max_in_flight_requests_per_connection", "max_partition_fetch_bytes", "max_poll_records", "metadata_max_age_ms",
        "partition_assignment_strategy", "partitioner", "retries", "selector", "transactional_id", "value_deserializer",
        "value_serializer",
    ]
)
_FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile")
_OBJECTS = ("api_version", "sasl_oauth_token_provider", "ssl_context")  # whose default tells nothing
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_LARGEST = 2**31 - 1  # of the numbers in Kafka's requests


def check_settings(settings: Mapping[str, Any], defaults: Collection[Mapping[str, Any]]) -> None:
    """Raise for a setting that cannot be; values are never told, for they may be secrets.

    Parameters
    ----------
    settings
        Values by name; None is as good as no value.
    defaults
        The defaults of each of the client's objects.

    Raises
    ------
    ConfigError
        For a name that none of the objects has or that would break a promise, a value of another kind than the default, and
        for what the client would pass over in silence: an unknown protocol, a login or certificates without use.
    FileNotFoundError
        For a file that does not exist.

    Examples
    --------
    >>> from streams.kafka_settings import check_settings
    >>> check_settings({"client_id": "rain"}, [{"client_id": None}])
    """
    for name, value in settings.items():
        if name in _RESERVED:
            raise ConfigError(f"the Kafka setting {name!r} is not free: it decides what can be promised")
        there = [default[name] for default in defaults if name in default]
        if not there:
            raise ConfigError(f"there is no Kafka setting {name!r}")
        if value is not None:
            _check_kind(name, value, there)
    _check_protocol({name: value for name, value in settings.items() if value is not None})


def _check_kind(name: str, value: Any, defaults: Collection[Any]) -> None:
    kinds = {type(default) for default in defaults}
    if name in _FILES:
        if not Path(str(value)).is_file():
            raise FileNotFoundError(f"the file that the Kafka setting {name!r} names does not exist")
    elif bool in kinds:
        if type(value) is not bool:
            raise ConfigError(f"the Kafka setting {name!r} must be true or false")
    elif int in kinds or name.endswith("_bytes"):
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise ConfigError(f"the Kafka setting {name!r} must be a whole number from 0 to {_LARGEST}")
    elif kinds <= {str, type(None)} and name not in _OBJECTS and not isinstance(value, str):
        raise ConfigError(f"the Kafka setting {name!r} must be a text")


def _check_protocol(settings: Mapping[str, Any]) -> None:
    protocol = settings.get("security_protocol", _PROTOCOLS[0])
    if protocol not in _PROTOCOLS:
        raise ConfigError(f"the Kafka setting 'security_protocol' must be one of {', '.join(_PROTOCOLS)}, in capitals")
    if protocol.startswith("SASL") and "sasl_mechanism" not in settings:
        raise ConfigError(f"security_protocol {protocol} needs the Kafka setting 'sasl_mechanism'")
    for prefix in ("sasl_", "ssl_"):
        unused = [name for name in settings if name.startswith(prefix)]
        if unused and prefix.rstrip("_").upper() not in protocol.split("_"):
            raise ConfigError(f"the Kafka setting {unused[0]!r} is of no use with security_protocol {protocol}")
