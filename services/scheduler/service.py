"""How the scheduler is put together."""

import asyncio
from uuid import UUID

from services.scheduler.dead_letter_handler import DeadLetterHandler
from services.scheduler.intake_handler import IntakeHandler
from services.scheduler.rescue import Rescuer
from services.scheduler.settings import SchedulerSettings
from services.scheduler.teller import Teller
from services.scheduler.view_keeper import ViewKeeper
from shared.db.acceptance import Acceptance
from shared.db.control import Control
from shared.db.dead_letters import DeadLetters
from shared.db.events import EventLog, EventTail
from shared.db.executions_read import ExecutionsRead
from shared.db.idempotency import IdempotencyKeys
from shared.db.instances import Instances
from shared.db.telling import Telling
from shared.db.timers import DueTimer
from shared.db.workflows import Workflows
from shared.intake.idempotency import Once
from shared.intake.intake import Intake
from shared.messaging.consumer import Consumer
from shared.messaging.messages import RequestExecutions
from shared.messaging.replies import RefusalReply
from shared.messaging.routes import handles_envelope, handles_raw
from shared.runtime.admitter import Admitter
from shared.runtime.postponer import KIND as REDELIVER
from shared.runtime.postponer import redelivery
from shared.runtime.service import Messenger, open_messenger, run_until
from shared.runtime.timers import TimerLoop


async def run(settings: SchedulerSettings, stop: asyncio.Event) -> None:
    """Rescue, keep time, take requests from the queue and tell events until `stop`."""
    async with open_messenger(settings, service="scheduler") as messenger:
        database = messenger.database
        control = Control(database)
        admitter = Admitter(Acceptance(database), messenger.relay.wake)
        teller = Teller(
            EventTail(EventLog(database), 0),
            Telling(database),
            messenger.publisher,
            messenger.topology,
        )
        letters = messenger.consumer(
            messenger.topology.dead_queues,
            [handles_raw(DeadLetterHandler(DeadLetters(database)))],
            concurrency=1,
        )
        await run_until(
            stop,
            first=[
                ViewKeeper(database).run,
                Rescuer(control, messenger.relay.wake, settings.rescue_every).run,
                _timers(messenger, control).run,
                _intake_consumer(settings, messenger, admitter).run,
                letters.run,
                teller.run,
            ],
            last=[admitter.run, messenger.relay.run],
        )


def _timers(messenger: Messenger, control: Control) -> TimerLoop:
    async def expire(timer: DueTimer) -> None:
        await control.expire_queued(UUID(timer.key))

    async def admit(timer: DueTimer) -> None:
        await control.admit([int(timer.key)])

    return TimerLoop(
        messenger.timers,
        messenger.relay.wake,
        in_place={
            "expire_execution": expire,
            "admit_instance": admit,
            REDELIVER: redelivery(messenger.publisher),
        },
    )


def _intake_consumer(
    settings: SchedulerSettings, messenger: Messenger, admitter: Admitter
) -> Consumer:
    database = messenger.database
    intake = Intake(
        workflows=Workflows(database),
        instances=Instances(database),
        originals=ExecutionsRead(database),
        store=Acceptance(database),
        admitter=admitter,
        once=Once(IdempotencyKeys(database)),
        defaults=settings.defaults(),
    )
    return messenger.consumer(
        [messenger.topology.intake],
        [handles_envelope(RequestExecutions, IntakeHandler(intake, messenger.publisher))],
        concurrency=2,
        on_refused=RefusalReply(messenger.publisher),
        default_type=RequestExecutions.TYPE,
    )
