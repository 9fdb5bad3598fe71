"""What is kept and what is left behind when a message comes back."""

from uuid import UUID

from shared.domain.ids import new_uuid
from shared.messaging.envelope import ReceivedMessage, command, event
from shared.messaging.messages import CancelStray, ExecutionChanged
from shared.messaging.topology import Topology


async def nothing() -> None:
    """No early acknowledgement in these tests."""


def make_received(**overrides: object) -> ReceivedMessage:
    fields = {
        "queue": "a.queue",
        "message_id": str(new_uuid()),
        "type": "a.v1",
        "body": b"{}",
        "correlation_id": "req-1",
        "reply_to": "answers",
        "headers": {},
        "redelivered": False,
        "acknowledge": nothing,
    }
    return ReceivedMessage(**{**fields, **overrides})


def test_a_message_comes_back_to_its_own_queue_alone_with_all_it_had() -> None:
    received = make_received(headers={"origin": "test"})

    again = received.again(attempt=4)

    assert (again.exchange, again.routing_key) == ("", "a.queue")
    assert (str(again.message_id), again.correlation_id) == (received.message_id, "req-1")
    assert (again.type, again.body, again.reply_to) == ("a.v1", b"{}", "answers")
    assert again.headers == {"origin": "test", "x-attempt": 4}


def test_headers_of_the_broker_are_left_behind() -> None:
    received = make_received(headers={"x-delivery-count": 3, "x-first-death-reason": "rejected"})

    assert received.again(attempt=2).headers == {"x-attempt": 2}


def test_whose_request_it_is_is_never_left_behind() -> None:
    received = make_received(headers={"x-owner": "team", "amcflow-redrive": "mark"})

    assert received.again(attempt=2).headers == {
        "x-owner": "team",
        "amcflow-redrive": "mark",
        "x-attempt": 2,
    }


def test_a_message_id_of_any_form_becomes_the_same_uuid_each_time() -> None:
    received = make_received(message_id="order 66")

    assert received.uuid == make_received(message_id="order 66").uuid
    assert isinstance(received.uuid, UUID)


def test_the_attempt_is_one_unless_a_sane_header_says_otherwise() -> None:
    values = [{}, {"x-attempt": 3}, {"x-attempt": "7"}, {"x-attempt": -5}, {"x-attempt": 10**12}]

    attempts = [make_received(headers=headers).attempt for headers in values]

    assert attempts == [1, 3, 1, 1, 10_000]


def test_our_reason_for_a_dead_letter_comes_before_the_brokers() -> None:
    both = {"x-dead-reason": "bug", "x-first-death-reason": "rejected"}

    assert make_received(headers=both).dead_reason == "bug"
    assert make_received(headers={"x-first-death-reason": "expired"}).dead_reason == "expired"
    assert make_received().dead_reason is None


def test_a_command_goes_where_its_queue_is_bound() -> None:
    topology = Topology()

    sent = command(CancelStray(instance_id=1, amc_execution_id="e-1"), topology)

    assert (sent.exchange, sent.routing_key) == ("amc.commands", "cancel_execution")
    assert topology.cancel_execution.routing_key == sent.routing_key
    assert sent.mandatory


def test_an_event_may_find_nobody() -> None:
    changed = ExecutionChanged(
        event_id=1,
        execution_id=new_uuid(),
        workflow_id=new_uuid(),
        instance_id="amc1",
        to_state="completed",
        at="2026-01-01T00:00:00Z",
        owner="tests",
    )

    sent = event(changed, Topology())

    assert (sent.exchange, sent.routing_key) == ("amc.events", "execution.completed")
    assert not sent.mandatory
