"""Faults of RabbitMQ and of the way to it, and messages that nobody should have sent."""

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar
from uuid import uuid4

import aio_pika
import asyncpg
from aio_pika.exceptions import AMQPException

from shared.messaging.topology import Topology, declare_at
from tests.chaos.faults.fault import Fault, Recovery, Scene
from tests.chaos.town import Town


class BrokerKilled(Fault):
    """The node ends by kill -9 and comes back with its disk."""

    sentence = "broker node killed and started again"
    recovers: ClassVar[Recovery | None] = "broker restart"

    def begin(self, scene: Scene) -> None:
        scene.town.rabbitmq.kill()
        self.strikes += 1

    def end(self, scene: Scene) -> None:
        scene.town.rabbitmq.start()


class BrokerWiped(Fault):
    """The node comes back with an empty disk: what it held must be made again from rows."""

    sentence = "broker killed and its disk lost"
    recovers: ClassVar[Recovery | None] = "broker restart"

    def begin(self, scene: Scene) -> None:
        scene.town.rabbitmq.kill()
        shutil.rmtree(scene.town.rabbitmq.folder / "mnesia")
        self.strikes += 1

    def end(self, scene: Scene) -> None:
        scene.town.rabbitmq.start()
        asyncio.run(declare_at(scene.town.rabbitmq.url, Topology()))
        scene.town.rabbitmq.settle()


class BrokerCut(Fault):
    """All connections to the broker are reset, several times."""

    sentence = "broker connections cut"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("broker")
        for _ in range(self.rng.randint(1, 4)):
            before = proxy.cut
            proxy.cut_all()
            self.strikes += proxy.cut - before
            threading.Event().wait(self.rng.uniform(0.1, 1.5))


class BrokerCutInTheMiddle(Fault):
    """Connections to the broker are reset after some more bytes, in the middle of a frame."""

    sentence = "broker connections cut in the middle of a frame"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("broker")
        self._before = proxy.cut
        for _ in range(3):
            proxy.cut_after(self.rng.randint(50, 6000))
            threading.Event().wait(1)
            proxy.cut_after(None)

    def end(self, scene: Scene) -> None:
        self.strikes = scene.town.proxy("broker").cut - self._before


class BrokerStalled(Fault):
    """No byte passes to or from the broker; then all arrive late, or the connections are gone."""

    sentence = "broker connections stalled"

    def begin(self, scene: Scene) -> None:
        self._before = scene.town.proxy("broker").held
        scene.town.proxy("broker").stall()

    def end(self, scene: Scene) -> None:
        self.strikes = scene.town.proxy("broker").held - self._before
        scene.town.proxy("broker").flow(release=self.rng.random() < 0.5)


class BrokerRefuses(Fault):
    """Nobody listens at the broker's address."""

    sentence = "broker refuses connections"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("broker")
        before = proxy.cut
        proxy.refuse()
        self.strikes = proxy.cut - before

    def end(self, scene: Scene) -> None:
        scene.town.proxy("broker").listen()


class MemoryAlarm(Fault):
    """The broker says that its memory is full, and blocks whoever publishes."""

    sentence = "broker memory alarm"

    def begin(self, scene: Scene) -> None:
        control(scene.town, "set_vm_memory_high_watermark", "absolute", "1")
        self.strikes += 1
        threading.Event().wait(3)

    def end(self, scene: Scene) -> None:
        memory = scene.town.rabbitmq.profile.rabbitmq_memory
        control(scene.town, "set_vm_memory_high_watermark", "absolute", memory)


class DiskAlarm(Fault):
    """The broker says that its disk is full, and blocks whoever publishes."""

    sentence = "broker disk alarm"

    def begin(self, scene: Scene) -> None:
        control(scene.town, "set_disk_free_limit", "1000TB")
        self.strikes += 1
        threading.Event().wait(3)

    def end(self, scene: Scene) -> None:
        control(scene.town, "set_disk_free_limit", "64MB")


class StrangeMessages(Fault):
    """Commands come again, come too early or too late, and nonsense comes, in every queue."""

    sentence = "duplicate, reordered and garbage messages in every queue"

    def begin(self, scene: Scene) -> None:
        deadline = time.monotonic() + max(3.0, self.lasts)
        while time.monotonic() < deadline:
            # Another fault may have the broker; the next turn may find it.
            with suppress(OSError, AMQPException, asyncpg.PostgresError):
                messages = [*self._commands(scene), *self._garbage(Topology())]
                self.rng.shuffle(messages)
                self.strikes += asyncio.run(_publish(scene.town, messages))
            threading.Event().wait(0.5)

    def _commands(self, scene: Scene) -> list[tuple[str, str, bytes]]:
        """For executions in whatever state: each handler must know that it is not its turn."""
        topology = Topology()
        rows = scene.town.sql(
            "select e.id::text, e.instance_id from workflow_executions e"
            " join amc_instances i on i.id = e.instance_id where i.amc_instance_id = any($1)",
            [place.id for place in scene.places],
        )
        chosen = self.rng.sample(rows, min(len(rows), 4))
        found = []
        for row in chosen:
            body = json.dumps({"execution_id": row["id"]}).encode()
            found += [
                (queue.name, f"{queue.routing_key}.v1", body)
                for queue in (
                    topology.submit_execution,
                    topology.cancel_execution,
                    topology.reconcile_execution,
                    topology.download_result,
                )
            ]
            look = json.dumps({"instance_id": row["instance_id"]}).encode()
            found.append((topology.poll_instance.name, "poll_instance.v1", look))
        return found * 2

    def _garbage(self, topology: Topology) -> list[tuple[str, str, bytes]]:
        """One of a kind for each queue: neither JSON, nor known, nor complete."""
        kinds = (
            (b"\xff\x00 not json", "submit_execution.v1"),
            (b"{}", "nobody_knows.v9"),
            (b"[]", ""),
        )
        return [
            (queue.name, kind, body)
            for queue in topology.work_queues
            for body, kind in [self.rng.choice(kinds)]
        ]


async def _publish(town: Town, messages: Sequence[tuple[str, str, bytes]]) -> int:
    url = town.rabbitmq.url
    async with asyncio.timeout(10), await aio_pika.connect(url, timeout=5) as connection:
        channel = await connection.channel()
        for queue, kind, body in messages:
            message = aio_pika.Message(body, type=kind, message_id=str(uuid4()), delivery_mode=2)
            await channel.default_exchange.publish(message, queue, timeout=5)
    return len(messages)


def control(town: Town, *arguments: str) -> None:
    """rabbitmqctl, which fails while the node is away; its next start forgets what it was told."""
    argv, environment = town.rabbitmq.control("-q", *arguments)
    subprocess.run(
        argv, env=environment, cwd=town.rabbitmq.folder, capture_output=True, check=False
    )
