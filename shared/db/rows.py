"""How rows become the values that handlers work on."""

from typing import Any

from asyncpg import Record

from shared.domain.claims import DeclaredParameter, Destination, Login, RequestedRun
from shared.domain.ids import (
    AmcInstanceId,
    AmcWorkflowId,
    CredentialId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)


def destination_of(row: Record) -> Destination:
    """Of a row that carries an instance, its account and its credential."""
    return Destination(
        instance=InstanceKey(row["instance_id"]),
        amc_instance_id=AmcInstanceId(row["amc_instance_id"]),
        entity_id=EntityId(row["entity_id"]),
        marketplace_id=MarketplaceId(row["marketplace_id"]),
        region=row["region"],
        login=Login(
            credential_id=CredentialId(row["credential_id"]),
            ciphertext=row["access_token_ciphertext"],
            key_id=row["access_token_key_id"],
            expires_at=row["access_token_expires_at"],
            version=row["version"],
        ),
    )


def run_of(row: Record) -> RequestedRun:
    """Of a row of workflow_executions."""
    return RequestedRun(
        amc_workflow_id=AmcWorkflowId(row["amc_workflow_id"]),
        time_window_type=row["time_window_type"],
        time_window_start=row["time_window_start"],
        time_window_end=row["time_window_end"],
        time_zone=row["time_zone"],
        parameters=row["parameters"],
    )


def declared_of(parameters: list[dict[str, Any]]) -> tuple[DeclaredParameter, ...]:
    """Of a definition's jsonb: [{name, data_type, default_value?, description?}]."""
    return tuple(
        DeclaredParameter(
            name=parameter["name"],
            data_type=parameter.get("data_type", "STRING"),
            default_value=parameter.get("default_value"),
            description=parameter.get("description"),
        )
        for parameter in parameters
    )
