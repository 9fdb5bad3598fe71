"""How the submitter is put together."""

import asyncio

from services.submitter.cancel_handler import CancelHandler, CancelStrayHandler, RemoteCancel
from services.submitter.compare_handler import CompareHandler
from services.submitter.gathered_submissions import GatheredSubmissions
from services.submitter.reconcile_handler import ReconcileHandler
from services.submitter.settings import SubmitterSettings
from services.submitter.submit_handler import SubmitHandler, SubmitPolicy
from shared.db.reconciliations import Comparisons
from shared.db.submission import Cancellations, Submissions
from shared.messaging.messages import (
    CancelExecution,
    CancelStray,
    ReconcileExecution,
    ReconcileInstance,
    SubmitExecution,
)
from shared.messaging.routes import handles
from shared.runtime.amc import AmcParts, open_amc
from shared.runtime.service import Job, Messenger, open_messenger, run_until
from shared.runtime.timers import TimerLoop


async def run(settings: SubmitterSettings, stop: asyncio.Event) -> None:
    """Submit, cancel and reconcile until `stop`."""
    async with (
        open_messenger(settings, service="submitter") as messenger,
        open_amc(settings, messenger.database, caller="submitter") as amc,
    ):
        timers = TimerLoop(
            messenger.timers,
            messenger.relay.wake,
            commands=(
                "submit_execution",
                "cancel_execution",
                "reconcile_execution",
                "reconcile_instance",
            ),
        )
        submissions = GatheredSubmissions.over(
            Submissions(messenger.database, first_look=settings.first_look)
        )
        await run_until(
            stop,
            first=[*_consumers(settings, messenger, amc, submissions), timers.run],
            last=[messenger.relay.run, amc.call_log.run, submissions.run],
        )


def _consumers(
    settings: SubmitterSettings,
    messenger: Messenger,
    amc: AmcParts,
    submissions: GatheredSubmissions,
) -> list[Job]:
    cancellations = Cancellations(messenger.database)
    cancel = RemoteCancel(amc.client, amc.reach, settings.lease)
    submit = SubmitHandler(
        submissions,
        amc.client,
        amc.reach,
        amc.permits,
        SubmitPolicy(
            lease=settings.lease,
            settle_time=settings.settle_time,
            http_timeout=settings.http_timeout,
            is_marked=settings.mark_attempts,
        ),
    )
    reconcile = ReconcileHandler(
        submissions,
        amc.client,
        amc.reach,
        lease=settings.lease,
        settle_time=settings.settle_time,
    )
    compare = CompareHandler(
        Comparisons(messenger.database), amc.client, amc.reach, lease=settings.lease
    )
    topology = messenger.topology
    return [
        messenger.consumer([topology.submit_execution], [handles(SubmitExecution, submit)]).run,
        messenger.consumer(
            [topology.cancel_execution, topology.reconcile_execution],
            [
                handles(CancelExecution, CancelHandler(cancellations, cancel)),
                handles(CancelStray, CancelStrayHandler(cancellations, cancel)),
                handles(ReconcileExecution, reconcile),
                handles(ReconcileInstance, compare),
            ],
            concurrency=4,
        ).run,
    ]
