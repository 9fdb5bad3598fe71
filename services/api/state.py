"""Everything the endpoints work with, opened once by `service` and typed."""

from dataclasses import dataclass

from services.api.authentication import TokenNames
from services.api.figures import CachedFigures
from services.api.hub import EventHub
from services.api.ports import BrokerState, Control, RelayWake, Results, Seal
from services.api.readiness import Readiness
from services.api.shown import ShownExecutions
from shared.db.accounts import Accounts
from shared.db.credentials_admin import CredentialsAdmin
from shared.db.dead_letters import DeadLetters
from shared.db.executions_read import ExecutionsRead
from shared.db.instances import Instances
from shared.db.reconciliations import Reconciliations
from shared.db.workflows import Workflows
from shared.intake.idempotency import Once
from shared.intake.intake import Intake


@dataclass(frozen=True, slots=True)
class ApiState:
    """The collaborators of one API process."""

    accounts: Accounts
    instances: Instances
    credentials: CredentialsAdmin
    workflows: Workflows
    executions: ExecutionsRead
    shown: ShownExecutions
    intake: Intake
    once: Once
    control: Control
    results: Results
    parked: DeadLetters
    reconciliations: Reconciliations
    seal: Seal
    broker: BrokerState
    wake_relay: RelayWake
    token_names: TokenNames
    events: EventHub
    figures: CachedFigures
    readiness: Readiness
