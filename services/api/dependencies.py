"""What endpoints ask for, as annotated types.

All of them are coroutines: FastAPI sends a plain function to a thread of its own, which costs more
than these do, five times for each request.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import Depends, Header, Path, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.requests import Request

from services.api.problems import request_id_of
from services.api.quick import NotPlain
from services.api.state import ApiState
from shared.db.instances import Instance
from shared.domain.errors import NotFound
from shared.domain.ids import (
    ACCOUNT_PREFIX,
    CREDENTIAL_PREFIX,
    EXECUTION_PREFIX,
    WORKFLOW_PREFIX,
    read,
)
from shared.intake.idempotency import Repeatable, content_hash
from shared.intake.intake import Asker

_PLAIN_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

bearer = Security(HTTPBearer(auto_error=False, description="A service token, `amc_sk_...`."))
"""For the OpenAPI document; the middleware in `authentication` has checked the token by now."""


def state_of(request: Request) -> ApiState:
    """What `service` opened."""
    return cast("ApiState", request.app.state.api)


async def _state(request: Request) -> ApiState:
    return state_of(request)


def asker_of(request: Request) -> Asker:
    """The token's name, and the request's id."""
    return Asker(owner=request.scope["state"]["owner"], request_id=request_id_of(request.scope))


async def _asker(request: Request) -> Asker:
    return asker_of(request)


State = Annotated[ApiState, Depends(_state)]
Who = Annotated[Asker, Depends(_asker)]


@dataclass(frozen=True, slots=True)
class MaybeRepeated:
    """The request's Idempotency-Key, if it has one."""

    owner: str
    key: str | None

    def of(self, scope: str, target: str, body: BaseModel | None) -> Repeatable | None:
        """For this operation, on this target, with this body."""
        if self.key is None:
            return None
        return Repeatable(self.owner, scope, self.key, content_hash(target, body))


async def _maybe_repeated(
    who: Who,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key with the same body gives the same answer.",
        ),
    ] = None,
) -> MaybeRepeated:
    return MaybeRepeated(who.owner, idempotency_key)


Key = Annotated[MaybeRepeated, Depends(_maybe_repeated)]


def plain_key_of(request: Request, who: Asker) -> MaybeRepeated:
    """The same without FastAPI; NotPlain for a key that is wrong."""
    key = request.headers.get("idempotency-key")
    if key is not None and _PLAIN_KEY.fullmatch(key) is None:
        raise NotPlain
    return MaybeRepeated(who.owner, key)


async def _workflow_id(workflow_id: Annotated[str, Path(examples=["wf_0190..."])]) -> UUID:
    return read(WORKFLOW_PREFIX, workflow_id, what="workflow")


async def _execution_id(execution_id: Annotated[str, Path(examples=["ex_0190..."])]) -> UUID:
    return read(EXECUTION_PREFIX, execution_id, what="execution")


async def _credential_id(credential_id: Annotated[str, Path(examples=["cr_0190..."])]) -> UUID:
    return read(CREDENTIAL_PREFIX, credential_id, what="credential")


async def _account_id(account_id: Annotated[str, Path(examples=["ac_0190..."])]) -> UUID:
    return read(ACCOUNT_PREFIX, account_id, what="account")


def execution_id_of(request: Request) -> UUID:
    """The id in the path; NotFound if it is none."""
    return read(EXECUTION_PREFIX, request.path_params["execution_id"], what="execution")


def workflow_id_of(request: Request) -> UUID:
    """The id in the path; NotFound if it is none."""
    return read(WORKFLOW_PREFIX, request.path_params["workflow_id"], what="workflow")


WorkflowId = Annotated[UUID, Depends(_workflow_id)]
ExecutionId = Annotated[UUID, Depends(_execution_id)]
CredentialId = Annotated[UUID, Depends(_credential_id)]
AccountId = Annotated[UUID, Depends(_account_id)]


async def _instance(
    instance_id: Annotated[str, Path(examples=["amcabc123"])], state: State
) -> Instance:
    if "\x00" in instance_id:
        raise NotFound("No instance has such an id.")
    return await state.instances.get(instance_id)


InstanceRow = Annotated[Instance, Depends(_instance)]
