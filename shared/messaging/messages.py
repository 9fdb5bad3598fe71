"""The messages between services, and those other programs exchange with us, each with a version.

A message carries ids, never rows, SQL, tokens or signed links: queues are on disk in clear, and the
row is the truth. Its wire type is the class in snake case with the version (`poll_instance.v1`). A
field may be added with a default; anything else is a new version, read beside the old one until
no old writer is left.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from typing_extensions import override

from shared.domain.errors import FieldProblem, InvalidRequest, UndecodableMessage
from shared.domain.states import ExecutionState

Text = Annotated[str, Field(min_length=1, max_length=200)]
Tags = Annotated[dict[Text, Annotated[str, Field(max_length=500)]], Field(max_length=50)]
Priority = Annotated[int, Field(ge=0, le=9)]


class Message(BaseModel):
    """The root of all messages. Unknown fields are skipped: the writer may be newer than us."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    TYPE: ClassVar[str]
    """What the AMQP property `type` says."""

    def encode(self) -> bytes:
        """The body on the wire."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body; UndecodableMessage says which field is wrong."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise UndecodableMessage(f"{cls.TYPE}: {_sentence(error)}") from error

    def ids(self) -> dict[str, str]:
        """Its ids, for the log lines written while it is handled."""
        return {
            name: str(value) for name, value in self if name.endswith("_id") and value is not None
        }


class Command(Message):
    """Work for one service that may start now."""

    ROUTING_KEY: ClassVar[str]
    """Its key on the exchange of commands."""


class SubmitExecution(Command):
    """Create this execution at AMC; it holds a slot already."""

    TYPE = "submit_execution.v1"
    ROUTING_KEY = "submit_execution"
    execution_id: UUID


class CancelExecution(Command):
    """Cancel this execution at AMC: its user asked for it."""

    TYPE = "cancel_execution.v1"
    ROUTING_KEY = "cancel_execution"
    execution_id: UUID


class CancelStray(Command):
    """Cancel an execution at AMC that carries our mark but that no row of ours owns."""

    TYPE = "cancel_stray.v1"
    ROUTING_KEY = "cancel_execution"
    instance_id: int = Field(description="our row number of the instance")
    amc_execution_id: Text = Field(description="AMC's id of the stray execution")


class ReconcileExecution(Command):
    """Find out whether a create that got no answer reached AMC."""

    TYPE = "reconcile_execution.v1"
    ROUTING_KEY = "reconcile_execution"
    execution_id: UUID


class ReconcileInstance(Command):
    """Compare what AMC has made on an instance with what our rows know."""

    TYPE = "reconcile_instance.v1"
    ROUTING_KEY = "reconcile_execution"
    reconciliation_id: UUID


class PollInstance(Command):
    """Look at AMC's executions of this instance."""

    TYPE = "poll_instance.v1"
    ROUTING_KEY = "poll_instance"
    instance_id: int = Field(description="our row number of the instance")


class DownloadResult(Command):
    """Load the result of this execution."""

    TYPE = "download_result.v1"
    ROUTING_KEY = "download_result"
    execution_id: UUID


class RefreshCredential(Command):
    """Get a new access token for this credential."""

    TYPE = "refresh_credential.v1"
    ROUTING_KEY = "refresh_credential"
    credential_id: UUID


class ExecutionChanged(Message):
    """An execution moved to another state. Routing key: `execution.<to_state>`."""

    TYPE = "execution_changed.v1"
    event_id: int = Field(description="grows with time within one execution; dedupe on it")
    execution_id: UUID
    workflow_id: UUID
    instance_id: Text = Field(description="AMC's id of the instance")
    from_state: ExecutionState | None = Field(None, description="absent: it was just accepted")
    to_state: ExecutionState
    at: datetime
    error_code: str | None = None
    owner: str = Field(description="the name of the token that asked for it")
    tags: dict[str, str] = Field(default_factory=dict)

    @property
    def routing_key(self) -> str:
        return f"execution.{self.to_state}"


class RequestedItem(BaseModel):
    """One wanted execution, as in the API's bulk request. Only its keys are checked here.

    The values are judged by the API's own model, so that queue and HTTP never disagree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    workflow_id: JsonValue
    instance_id: JsonValue
    time_window: JsonValue = None
    parameters: JsonValue = None
    output_format: JsonValue = None
    priority: JsonValue = None
    deadline_seconds: JsonValue = None
    queue_timeout_seconds: JsonValue = None
    tags: JsonValue = None

    def as_given(self) -> dict[str, JsonValue]:
        """The keys and values the sender wrote, nothing added."""
        given: dict[str, JsonValue] = self.model_dump(exclude_unset=True)
        return given


class RequestExecutions(Message):
    """Another program asks for executions: all or nothing, once per `request_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    TYPE = "request_executions.v1"
    request_id: Text = Field(description="the same id is the same request, however often it comes")
    items: Annotated[list[RequestedItem], Field(min_length=1, max_length=10_000)]
    priority: Priority | None = Field(None, description="for items that name none")
    tags: Tags = Field(default_factory=dict, description="added to those of each item")

    @override
    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a stranger's body; InvalidRequest names every wrong field, as the API does."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            problems = tuple(
                FieldProblem(detail["loc"], detail["msg"])
                for detail in error.errors(include_url=False, include_input=False)
            )
            raise InvalidRequest(
                f"The request is not of the form {cls.TYPE}: {_sentence(error)}.",
                problems=problems[:100],
                hint="The form is described in docs/queue-intake.md.",
            ) from error


class AcceptedItem(BaseModel):
    """One accepted execution, by its place in the request."""

    model_config = ConfigDict(frozen=True)
    index: int
    id: str = Field(description="`ex_...`, as in the API")
    status: str


class ExecutionsAccepted(Message):
    """The answer to a request that was stored."""

    TYPE = "executions_accepted.v1"
    request_id: str
    items: tuple[AcceptedItem, ...]


class ProblemField(BaseModel):
    """One wrong field of the request."""

    model_config = ConfigDict(frozen=True)
    loc: tuple[str | int, ...] = Field(description="path to the field, list indexes as numbers")
    msg: str


class Problem(BaseModel):
    """RFC 9457 problem details, as in the API."""

    model_config = ConfigDict(frozen=True)
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[ProblemField, ...] = ()


class RequestRefused(Message):
    """The answer to a request of which nothing was stored."""

    TYPE = "request_refused.v1"
    request_id: str | None = Field(None, description="absent if the request had no readable one")
    problem: Problem


COMMANDS: tuple[type[Command], ...] = (
    SubmitExecution,
    CancelExecution,
    CancelStray,
    ReconcileExecution,
    ReconcileInstance,
    PollInstance,
    DownloadResult,
    RefreshCredential,
)
INTAKE: tuple[type[Message], ...] = (RequestExecutions, ExecutionsAccepted, RequestRefused)
EVENTS: tuple[type[Message], ...] = (ExecutionChanged,)


def _sentence(error: ValidationError) -> str:
    """The first few faults, without the values: they may be secrets."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
        for fault in faults[:3]
    ]
    more = f" and {len(faults) - 3} more" if len(faults) > len(shown) else ""
    return "; ".join(shown) + more
