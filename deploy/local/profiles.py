"""How careful a private node is with its data: durable for people, fast for tests."""

from dataclasses import dataclass

_COMMON = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "autovacuum_naptime": "5s",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings of both nodes that differ between tests and a stack people use."""

    name: str
    syncs: bool
    postgres_settings: dict[str, str]
    rabbitmq_memory: str


DURABLE = Profile(
    name="durable",
    syncs=True,
    postgres_settings={
        **_COMMON,
        "shared_buffers": "256MB",
        # COPY of large results would otherwise force a checkpoint every few seconds.
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
    },
    rabbitmq_memory="1GB",
)

FAST = Profile(
    name="fast",
    syncs=False,
    postgres_settings={
        **_COMMON,
        "shared_buffers": "128MB",
        "max_wal_size": "512MB",
        # A commit still reaches the kernel, so that it survives kill -9 of the server.
        "fsync": "off",
        "full_page_writes": "off",
    },
    rabbitmq_memory="512MB",
)
