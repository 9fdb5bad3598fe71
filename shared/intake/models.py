"""A request for one execution, the same over HTTP and over the queue."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.windows import AskedWindow


class Strict(BaseModel):
    """A model that refuses members it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _refuse_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


Text = Annotated[str, AfterValidator(_refuse_nul)]
"""Any text that Postgres can store."""
Name = Annotated[Text, Field(min_length=1, max_length=200, pattern=r"\S")]


class OutputFormat(StrEnum):
    """What a download gives by default; AMC itself delivers CSV only."""

    CSV = "CSV"
    PARQUET = "PARQUET"


class TimeWindowIn(Strict):
    """Which data the query looks at; left out: seven days ending two weeks ago.

    `start` and `end` belong to EXPLICIT only. A `Z` or an offset is converted to `time_zone`.
    """

    type: Annotated[Text, Field(max_length=40, examples=["EXPLICIT"])] | None = None
    start: Annotated[Text, Field(max_length=40, examples=["2025-07-01T00:00:00"])] | None = None
    end: Annotated[Text, Field(max_length=40, examples=["2025-07-08T00:00:00"])] | None = None
    time_zone: Annotated[Text, Field(max_length=64, examples=["America/New_York"])] | None = None

    def asked(self) -> AskedWindow:
        """For the domain to judge."""
        return AskedWindow(self.type, self.start, self.end, self.time_zone)


Tags = Annotated[
    dict[
        Annotated[Text, Field(min_length=1, max_length=64)],
        Annotated[Text, Field(max_length=256)],
    ],
    Field(max_length=20),
]
ParameterValues = Annotated[
    dict[
        Annotated[Text, Field(min_length=1, max_length=128)],
        Annotated[Text, Field(max_length=65_536)],
    ],
    Field(max_length=100),
]


class ExecutionRequest(Strict):
    """How to run a workflow that is named elsewhere."""

    instance_id: Annotated[Text, Field(max_length=200)]
    time_window: TimeWindowIn | None = None
    parameters: ParameterValues = Field(default_factory=dict)
    output_format: OutputFormat = OutputFormat.CSV
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    deadline_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = None
    queue_timeout_seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] | None = None
    tags: Tags = Field(default_factory=dict)


class ExecutionItem(ExecutionRequest):
    """One item of a bulk request, or of a request that came through the queue."""

    workflow_id: Annotated[Text, Field(max_length=200)]


BULK_LIMIT = 10_000
"""Items in one request, over HTTP or the queue."""


class BulkRequest(Strict):
    """Many executions, accepted together or not at all."""

    items: Annotated[list[ExecutionItem], Field(min_length=1, max_length=BULK_LIMIT)]


class AcceptedItem(BaseModel):
    """An execution that now exists; `index` is its place in the request."""

    index: int
    id: str
    status: str


class Accepted(BaseModel):
    """The answer to a request for executions."""

    items: list[AcceptedItem]
