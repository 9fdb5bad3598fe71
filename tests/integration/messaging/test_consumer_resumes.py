"""Whatever breaks between consumer and broker, handlers finish and consuming goes on."""

import asyncio

from shared.messaging.topology import declare_queue
from tests.integration.messaging.bench import Bench, Handler, soon


async def test_a_connection_cut_does_not_cancel_the_handler(bench: Bench) -> None:
    gate = asyncio.Event()
    handler = Handler(gate=gate)
    bench.submit(handler, concurrency=2)
    execution_id = await bench.send()
    await soon(handler.started.get())

    bench.wire.cut()
    # The second lane has it by now: the connection is gone for the broker and for us.
    assert await soon(handler.started.get()) == execution_id
    gate.set()

    assert await soon(handler.finished.get()) == execution_id
    assert await soon(handler.finished.get()) == execution_id


async def test_consuming_goes_on_after_a_cut(bench: Bench) -> None:
    handler = Handler()
    bench.submit(handler)
    await bench.send()
    await soon(handler.finished.get())

    bench.wire.cut()

    execution_id = await bench.send()
    await soon(handler.until_finished(execution_id))


async def test_consuming_goes_on_after_the_broker_was_away(bench: Bench) -> None:
    handler = Handler()
    running = bench.submit(handler)
    await bench.send()
    await soon(handler.finished.get())

    bench.wire.pull_out()
    execution_id = await bench.send()
    assert handler.finished.empty()
    await bench.wire.plug_in()

    await soon(handler.until_finished(execution_id))
    assert running.consumer.alive


async def test_a_consumer_started_before_the_broker_waits_for_it(bench: Bench) -> None:
    bench.wire.pull_out()
    handler = Handler()
    running = bench.submit(handler)
    execution_id = await bench.send()
    assert not running.consumer.alive

    await bench.wire.plug_in()

    await soon(handler.until_finished(execution_id))


async def test_stopping_while_the_broker_is_away_is_quick(bench: Bench) -> None:
    bench.wire.pull_out()
    running = bench.submit(Handler())

    async with asyncio.timeout(2):
        await running.stopped()


async def test_consuming_goes_on_after_the_queue_was_deleted_and_made_again(bench: Bench) -> None:
    handler = Handler()
    running = bench.submit(handler)
    await bench.send()
    await soon(handler.finished.get())

    await bench.channel.queue_delete(bench.queue.name)
    await soon(running.lost())
    await declare_queue(bench.channel, bench.queue)

    execution_id = await bench.send()
    await soon(handler.until_finished(execution_id))


async def test_consuming_goes_on_after_the_queue_was_replaced_in_one_breath(bench: Bench) -> None:
    handler = Handler()
    bench.submit(handler, probe_seconds=0.5)
    await bench.send()
    await soon(handler.finished.get())

    await bench.channel.queue_delete(bench.queue.name)
    await declare_queue(bench.channel, bench.queue)

    # RabbitMQ 3.10 delivers the first to a consumer that no longer exists.
    sent = {await bench.send(), await bench.send()}
    assert {await soon(handler.finished.get()) for _ in sent} == sent


async def test_consuming_goes_on_after_a_channel_error(bench: Bench) -> None:
    handler = Handler()
    running = bench.submit(handler)
    await bench.send()
    await soon(handler.finished.get())

    await bench.provoke_channel_error(running)

    execution_id = await bench.send()
    await soon(handler.until_finished(execution_id))


async def test_consuming_goes_on_after_the_line_went_dead_in_silence(bench: Bench) -> None:
    handler = Handler()
    bench.submit(handler, probe_seconds=0.2)
    await bench.send()
    await soon(handler.finished.get())

    bench.wire.go_dead()
    execution_id = await bench.send()

    await soon(handler.until_finished(execution_id))


async def test_a_consumer_the_broker_forgot_is_noticed(bench: Bench) -> None:
    handler = Handler()
    running = bench.submit(handler, probe_seconds=0.2)
    await bench.send()
    await soon(handler.finished.get())

    await bench.lose_consumer_silently(running)

    execution_id = await bench.send()
    await soon(handler.until_finished(execution_id))
