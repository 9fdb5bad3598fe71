"""How the submitter is put together."""

import asyncio

from services.submitter.cancel_handler import CancelHandler, CancelStrayHandler, RemoteCancel
from services.submitter.compare_handler import CompareHandler
from services.submitter.gathered_budget import GatheredBudget
from services.submitter.gathered_submissions import GatheredSubmissions
from services.submitter.reconcile_handler import ReconcileHandler
from services.submitter.settings import SubmitterSettings
from services.submitter.submit_handler import SubmitHandler, SubmitPolicy
from shared.db.rate_budget import RateBudgets
from shared.db.reconciliations import Comparisons
from shared.db.submission import Cancellations, Submissions
from shared.messaging.consumer import Consumer
from shared.messaging.messages import (
    CancelExecution,
    CancelStray,
    ReconcileExecution,
    ReconcileInstance,
    SubmitExecution,
)
from shared.messaging.routes import handles
from shared.runtime.amc import AmcParts, open_amc
from shared.runtime.permits import BudgetPermits
from shared.runtime.service import Messenger, open_messenger, run_until
from shared.runtime.timers import TimerLoop


async def run(settings: SubmitterSettings, stop: asyncio.Event) -> None:
    """Submit, cancel and reconcile until `stop`."""
    async with (
        open_messenger(settings, service="submitter", plans_once=True) as messenger,
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
            Submissions(messenger.database, settings.first_look, messenger.relay.wake)
        )
        budget = GatheredBudget.over(RateBudgets(messenger.database))
        submit = SubmitHandler(
            submissions,
            amc.client,
            amc.reach,
            BudgetPermits(budget, is_shared=True),
            SubmitPolicy(
                lease=settings.lease,
                settle_time=settings.settle_after_intent,
                http_timeout=settings.http_timeout,
                is_marked=settings.mark_attempts,
            ),
        )
        await run_until(
            stop,
            first=[
                # A look into the outbox after each would find nothing after nearly all of them.
                messenger.consumer(
                    [messenger.topology.submit_execution],
                    [handles(SubmitExecution, submit)],
                    is_waking=False,
                ).run,
                _other_commands(settings, messenger, amc, submissions).run,
                timers.run,
            ],
            last=[messenger.relay.run, amc.call_log.run, submissions.run, budget.run],
        )


def _other_commands(
    settings: SubmitterSettings,
    messenger: Messenger,
    amc: AmcParts,
    submissions: GatheredSubmissions,
) -> Consumer:
    cancellations = Cancellations(messenger.database)
    cancel = RemoteCancel(amc.client, amc.reach, settings.lease)
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
    return messenger.consumer(
        [topology.cancel_execution, topology.reconcile_execution],
        [
            handles(CancelExecution, CancelHandler(cancellations, cancel)),
            handles(CancelStray, CancelStrayHandler(cancellations, cancel)),
            handles(ReconcileExecution, reconcile),
            handles(ReconcileInstance, compare),
        ],
        concurrency=4,
    )
