"""The ids people see: a prefix and the row's UUID in hex, so that either form finds the row.

Amazon's own ids are other types altogether (`AmcInstanceId` and friends): a URL of AMC built from
one of ours does not pass the type checker.
"""

import os
from typing import NewType
from uuid import UUID

from shared.domain import clock
from shared.domain.errors import NotFound

WorkflowId = NewType("WorkflowId", UUID)
ExecutionId = NewType("ExecutionId", UUID)
CredentialId = NewType("CredentialId", UUID)
AccountKey = NewType("AccountKey", int)
"""The row number of an account; never leaves the system."""
InstanceKey = NewType("InstanceKey", int)
"""The row number of an instance; never leaves the system."""

AmcInstanceId = NewType("AmcInstanceId", str)
"""Amazon's id of an instance, such as `amcabc123`: the key in every AMC URL and in our API."""
AmcWorkflowId = NewType("AmcWorkflowId", str)
"""The workflow id we chose at AMC: content-addressed, see `fingerprint`."""
AmcExecutionId = NewType("AmcExecutionId", str)
"""The execution id AMC chose."""
EntityId = NewType("EntityId", str)
"""Amazon's advertiser entity of an account, sent as the AdvertiserId header."""
MarketplaceId = NewType("MarketplaceId", str)

WORKFLOW_PREFIX = "wf_"
EXECUTION_PREFIX = "ex_"
CREDENTIAL_PREFIX = "cr_"
ACCOUNT_PREFIX = "ac_"
RECONCILIATION_PREFIX = "rc_"


def new_uuid() -> UUID:
    """A UUID of version 7 (RFC 9562): ordered by time, so that indexes grow at one end."""
    value = int(clock.unix_seconds() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return UUID(int=value)


def show(prefix: str, value: UUID) -> str:
    """The public form, `wf_018f...`."""
    return prefix + value.hex


def read(prefix: str, text: str, *, what: str) -> UUID:
    """The UUID behind a public id or a bare UUID; NotFound for any other form."""
    try:
        return UUID(text.removeprefix(prefix))
    except ValueError:
        raise NotFound(
            f"No {what} has the id {text[:80]!r}.",
            hint=f"Ids of this kind look like {prefix}0190... or are UUIDs.",
        ) from None
