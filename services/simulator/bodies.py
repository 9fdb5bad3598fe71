"""Request bodies of the reporting API, read as leniently as AMC reads them.

Unknown members are dropped, booleans and numbers may be strings, an empty string is a value not
given, anything after a complete JSON object is ignored.
"""

import json
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from services.simulator.advertisers import AdvertiserId
from services.simulator.refusal import Refusal


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _no_word(value: object) -> object:
    """Clients send "CSV" where AMC has an object, and AMC does not mind."""
    return None if isinstance(value, str) else value


TimeWindowType = Literal[
    "ALL", "CURRENT_MONTH", "EXPLICIT", "MOST_RECENT_DAY", "MOST_RECENT_WEEK", "PREVIOUS_MONTH"
]
T = TypeVar("T", bound=BaseModel)
OptionalText = Annotated[str | None, BeforeValidator(_absent_if_empty)]


_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_Operation = Annotated[str, Field(pattern=_BASE64)]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class ArrayType(_Body):
    """The object form of a parameter's data type."""

    type: Literal["ARRAY"]
    element_data_type: str = "STRING"
    element_nullable: bool = False

    @model_serializer
    def _whole(self) -> dict[str, object]:
        """Every member, also those that the caller left out."""
        return {
            "type": self.type,
            "elementDataType": self.element_data_type,
            "elementNullable": self.element_nullable,
        }


class InputParameter(_Body):
    """A declared CUSTOM_PARAMETER."""

    name: str
    display_name: str | None = None
    description: str | None = None
    data_type: str | ArrayType = "STRING"
    column_type: str | None = None
    default_value: object = None

    @property
    def sql_type(self) -> str:
        if isinstance(self.data_type, ArrayType):
            return f"ARRAY<{self.data_type.element_data_type}>"
        return self.data_type


class OutputColumn(_Body):
    """One column that the caller says the compiled query has."""

    name: str
    column_type: str | None = None
    data_type: str | None = None
    data_type_precision: int | None = None
    data_type_scale: int | None = None
    description: str | None = None


class WorkflowBody(_Body):
    """A workflow definition."""

    workflow_id: OptionalText = None
    sql_query: OptionalText = None
    query: Annotated[list[_Operation], Field(max_length=100)] | None = None
    """Amazon's older form of a definition; sqlQuery goes before it."""
    input_parameters: Annotated[list[InputParameter], Field(max_length=100)] = []
    output_columns: Annotated[list[OutputColumn], Field(max_length=100)] | None = None
    output_format: Annotated[dict[str, object] | None, BeforeValidator(_no_word)] = None
    """The characters of the CSV; kept and shown, without effect on the files."""
    input_schema: str | None = None
    privacy_filtering_behavior: Literal["REMOVE_ROWS", "REMOVE_VALUES"] | None = None
    filtered_metrics_discriminator_column: str | None = None
    distinct_user_count_column: str | None = None
    filtered_reason_column: str | None = None


class ExecutionBody(_Body):
    """A request to run a workflow."""

    workflow_id: OptionalText = None
    workflow: WorkflowBody | None = None
    time_window_type: TimeWindowType = "MOST_RECENT_DAY"
    time_window_start: OptionalText = None
    time_window_end: OptionalText = None
    time_window_time_zone: OptionalText = None
    parameter_values: dict[str, object] = {}
    dry_run: bool = False
    skip_publish: bool = False
    require_synthetic_data: bool = False
    disable_aggregation_controls: bool = False
    ignore_data_gaps: bool = False
    max_certified_time: OptionalText = None
    max_dimension_time: OptionalText = None
    advertisers: list[AdvertiserId] | None = None
    workflow_execution_timeout_seconds: Annotated[int, Field(ge=900, le=86_400)] = 21_600


class ExecutionChange(_Body):
    """A partial execution: what a PUT may change."""

    status: str | None = None
    disable_aggregation_controls: bool | None = None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def read_object(raw: bytes) -> dict[str, object]:
    """The JSON object at the start of a body; Refusal 400 if there is none."""
    try:
        value, _ = _DECODER.raw_decode(raw.decode("utf-8").lstrip())
        # A lone surrogate is a string that no answer and no file could carry.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Refusal(400, "The request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The request body must be a JSON object.")
    return {key: member for key, member in value.items() if member is not None}


def read_body(model: type[T], raw: bytes) -> T:
    """The body as a model; Refusal 400 naming the first wrong member."""
    try:
        return model.model_validate(read_object(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refusal(400, f"Invalid value for {place}: {first['msg']}") from None
