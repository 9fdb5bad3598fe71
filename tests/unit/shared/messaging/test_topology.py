"""Names and arguments, as DESIGN and RabbitMQ 3.10 to 4.x want them."""

import pytest

from shared.messaging.messages import COMMANDS
from shared.messaging.topology import Topology, dead_letters_of


def test_every_command_has_exactly_one_queue() -> None:
    keys = [queue.routing_key for queue in Topology().work_queues if queue.exchange]

    assert sorted(keys) == sorted({command.ROUTING_KEY for command in COMMANDS})


def test_every_work_queue_keeps_its_dead_letters_at_least_once() -> None:
    for queue in Topology().work_queues:
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert queue.arguments["x-dead-letter-routing-key"] == queue.name
        assert dead_letters_of(queue).name == f"{queue.name}.dead"


def test_nothing_is_dropped_from_a_dead_letter_queue() -> None:
    for queue in Topology().dead_queues:
        assert queue.dead is None
        assert int(str(queue.arguments["x-delivery-limit"])) >= 1_000_000


def test_no_argument_is_one_that_some_version_refuses() -> None:
    refused = {"x-queue-mode", "x-max-priority"}

    for queue in (*Topology().work_queues, *Topology().dead_queues):
        assert refused.isdisjoint(queue.arguments)
        assert queue.arguments["x-queue-type"] == "quorum"


def test_a_prefix_moves_everything() -> None:
    names = [
        thing.name
        for topology in [Topology("x.")]
        for thing in (*topology.exchanges, *topology.work_queues, *topology.dead_queues)
    ]

    assert all(name.startswith("x.") for name in names)


def test_a_dead_letter_queue_has_no_dead_letters() -> None:
    with pytest.raises(ValueError, match="dead-letter queue itself"):
        dead_letters_of(Topology().dead_queues[0])
