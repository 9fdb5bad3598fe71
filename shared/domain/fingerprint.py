"""Names a workflow at AMC by what it says, so that it is created once and never changed.

The SQL goes in as its author wrote it. AMC's guide asks for one line, but joining lines would
swallow whatever follows a `--` comment, so no text of a query is ever rewritten.
"""

import hashlib
import json
from collections.abc import Sequence
from uuid import UUID

from shared.domain.claims import DeclaredParameter
from shared.domain.ids import WORKFLOW_PREFIX, AmcWorkflowId, show
from shared.domain.parameters import as_json, in_order

_DIGITS = 16


def amc_workflow_id(
    workflow_id: UUID, sql_query: str, parameters: Sequence[DeclaredParameter]
) -> AmcWorkflowId:
    """`wf_<our id>_<hash of SQL and declared parameters>`: only characters that AMC allows."""
    content = json.dumps(
        {
            "parameters": [as_json(parameter) for parameter in in_order(parameters)],
            "sql": sql_query,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    digest = hashlib.sha256(content.encode("ascii")).hexdigest()[:_DIGITS]
    return AmcWorkflowId(f"{show(WORKFLOW_PREFIX, workflow_id)}_{digest}")
