"""How the API is put together: database, outbox relay, admitter, event tail, HTTP server."""

import asyncio

from services.api.app import Exposure, create_app
from services.api.authentication import TokenNames
from services.api.figures import CachedFigures
from services.api.hub import EventHub
from services.api.ports import BrokerState, RelayWake, Seal
from services.api.readiness import Readiness
from services.api.server import HttpServer, listen
from services.api.settings import ApiSettings
from services.api.shown import ShownExecutions
from services.api.state import ApiState
from services.api.stored_results import StoredResults
from shared.db.acceptance import Acceptance
from shared.db.accounts import Accounts
from shared.db.control import Control
from shared.db.credentials_admin import CredentialsAdmin
from shared.db.dead_letters import DeadLetters
from shared.db.events import EventLog
from shared.db.executions_read import ExecutionsRead
from shared.db.idempotency import IdempotencyKeys
from shared.db.instances import Instances
from shared.db.pool import Database
from shared.db.reconciliations import Reconciliations
from shared.db.schema import Schema, head_revision
from shared.db.service_tokens import ServiceTokens
from shared.db.stats import Stats
from shared.db.workflows import Workflows
from shared.intake.idempotency import Once
from shared.intake.intake import Admitter as AdmitterPort
from shared.intake.intake import Intake
from shared.runtime.admitter import Admitter
from shared.runtime.gathered_intake import GatheredIntake
from shared.runtime.service import open_messenger, run_until
from shared.security.sealing import SealingPublicKey


async def run(settings: ApiSettings, stop: asyncio.Event) -> None:
    """Accept and answer until `stop`."""
    seal = SealingPublicKey(
        settings.sealing_public_key.get_secret_value(), setting="SEALING_PUBLIC_KEY"
    )
    with listen(settings.host, settings.port) as listener:
        async with open_messenger(settings, service="api") as messenger:
            admitter = Admitter(Acceptance(messenger.database), messenger.relay.wake)
            gathered = gather_intake(messenger.database)
            state = build_state(
                settings,
                messenger.database,
                admitter=admitter,
                gathered=gathered,
                seal=seal,
                broker=messenger.publisher,
                wake_relay=messenger.relay.wake,
            )
            server = HttpServer(
                create_app(state, exposure(settings)),
                listener,
                settings.shutdown_timeout,
                end_streams=state.events.close,
            )
            await run_until(
                stop,
                first=[server.run, state.events.run],
                last=[gathered.run, admitter.run, messenger.relay.run],
            )


def build_state(
    settings: ApiSettings,
    database: Database,
    *,
    admitter: AdmitterPort,
    gathered: GatheredIntake,
    seal: Seal,
    broker: BrokerState,
    wake_relay: RelayWake,
) -> ApiState:
    """Every collaborator over the one database."""
    once = Once(IdempotencyKeys(database))
    executions = ExecutionsRead(database)
    return ApiState(
        accounts=Accounts(database),
        instances=Instances(database),
        credentials=CredentialsAdmin(database),
        workflows=Workflows(database),
        executions=executions,
        shown=ShownExecutions(executions),
        intake=build_intake(settings, database, admitter=admitter, gathered=gathered, once=once),
        once=once,
        control=Control(database),
        results=StoredResults(database),
        parked=DeadLetters(database),
        reconciliations=Reconciliations(database),
        seal=seal,
        broker=broker,
        wake_relay=wake_relay,
        token_names=TokenNames(ServiceTokens(database), settings.token_cache.total_seconds()),
        events=EventHub(EventLog(database)),
        figures=CachedFigures(Stats(database)),
        readiness=Readiness(Schema(database), broker, head_revision()),
    )


def gather_intake(database: Database) -> GatheredIntake:
    """What many requests share: look-ups and the commit."""
    return GatheredIntake(Workflows(database), Instances(database), Acceptance(database))


def build_intake(
    settings: ApiSettings,
    database: Database,
    *,
    admitter: AdmitterPort,
    gathered: GatheredIntake,
    once: Once,
) -> Intake:
    """The use case of asking for executions."""
    return Intake(
        workflows=gathered,
        instances=gathered,
        originals=ExecutionsRead(database),
        store=gathered,
        admitter=admitter,
        once=once,
        defaults=settings.defaults(),
    )


def exposure(settings: ApiSettings) -> Exposure:
    """What is shown, and to whom."""
    return Exposure(
        max_body_bytes=settings.max_body_bytes,
        docs_enabled=settings.docs_enabled,
        metrics_are_open=settings.metrics_are_open,
    )
