"""The numbers of a consumer."""

from dataclasses import dataclass
from datetime import timedelta

from shared.messaging.connection import HEARTBEAT_SECONDS
from shared.messaging.verdict import DEFAULT_MAX_ATTEMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """How a consumer behaves; the defaults fit services, tests are in more of a hurry."""

    concurrency: int = 8
    """Messages of each queue in hand at once, which is also all the broker delivers."""
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    grace: timedelta = timedelta(seconds=35)
    """What is in hand at stop may take this long; then it is cancelled and delivered again."""
    heartbeat_seconds: int = HEARTBEAT_SECONDS
    probe_seconds: float = 10.0
    """How often the broker is asked whether it still knows us, and how long it has to answer."""
    name: str = "amcflow consumer"
    """Shown in RabbitMQ's list of connections."""
    default_type: str = ""
    """For messages without a type: those of other programs."""
