"""The functions a query may call, and how each is said to DuckDB.

A line is `NAMES | argument families | result type | translation`. A family with `?` may be left
out, one with `*` repeats. `same` is the widest type of the arguments, `first` the first one's.
Left out, the translation is `name(arguments)`; behind ` // ` is that of a call with all arguments.
LPAD, RPAD and REPEAT make texts of 4,096 characters at most, CONCAT and those that replace about
16,384: what a call makes of a batch of rows does not count as DuckDB's memory, and more of it would
take all of the machine's.
What Amazon's guide of AMC SQL functions says of a function is what it does here; outside of what a
function is defined for it is NULL, as the guide has it for SQRT.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from services.simulator.duck.types import (
    calcite_name,
    element_of,
    family,
    fits,
    wider,
)

_SCALAR = """
ABS SIGN | number | same |
CEIL CEILING | number | same | ceil({0})
FLOOR | number | same |
ROUND | number number? | same |
TRUNC TRUNCATE | number number? | same | trunc({0}) // trunc({0}, CAST({1} AS INTEGER))
SQRT | number | DOUBLE | CASE WHEN {0} >= 0 THEN sqrt({0}) END
LN LOG10 LOG2 | number | DOUBLE | CASE WHEN {0} > 0 THEN {name}({0}) END
ASIN ACOS | number | DOUBLE | CASE WHEN abs({0}) <= 1 THEN {name}({0}) END
EXP SIN COS TAN ATAN RADIANS DEGREES CBRT | number | DOUBLE |
LOG | number number | DOUBLE | CASE WHEN {0} > 0 AND {0} <> 1 AND {1} > 0 THEN ln({1}) / ln({0}) END
E | | DOUBLE | exp(1)
RANDOM RAND | | DOUBLE | random()
POWER POW | number number | DOUBLE | pow({0}, {1})
MOD | number number | same | ({0} % nullif({1}, 0))
PI | | DOUBLE |
UPPER LOWER REVERSE LTRIM RTRIM MD5 SHA1 | string | STRING |
LENGTH CHAR_LENGTH CHARACTER_LENGTH | string | INTEGER | CAST(length({0}) AS INTEGER)
CONCAT | any any* | STRING | left(concat({*}), 16384)
REPLACE | string string string | STRING | replace(left({0}, 16384//greatest(1, length({2}))), \
{1}, {2})
TRANSLATE | string string string | STRING |
LPAD RPAD | string number string | STRING | {name}({0}, CAST(CASE WHEN {1} > 4096 THEN 4096 \
ELSE {1} END AS INTEGER), {2})
LEFT RIGHT | string number | STRING |
REPEAT | string number | STRING | CASE WHEN length({0}) * {1} <= 4096 THEN repeat({0}, {1}) END
SUBSTR | string number number? | STRING | substring({*})
SPLIT_PART | string string number | STRING |
SPLIT | string string | ARRAY<STRING> | string_split({*})
REGEXP_SPLIT | string string | ARRAY<STRING> | string_split_regex({*})
STR_TO_MAP | string string string | MAP | map_from_entries(list_transform(string_split({0}, \
{1}), lambda p: struct_pack(k := split_part(p, {2}, 1), v := split_part(p, {2}, 2))))
TO_VARBINARY | string string | BINARY | CASE lower({1}) WHEN 'hex' THEN unhex({0}) WHEN \
'base64' THEN from_base64({0}) WHEN 'utf-8' THEN encode({0}) END
FROM_VARBINARY | any string | STRING | CASE lower({1}) WHEN 'hex' THEN hex({0}) WHEN 'base64' \
THEN to_base64({0}) WHEN 'utf-8' THEN decode({0}) END
JSON_EXTRACT | string string | STRING | json_extract_string(TRY_CAST({0} AS JSON), {1})
LOCATE CHARINDEX | string string number? | LONG | strpos({1}, {0}) // \
list_position(list_transform(range(1, len({1}) + 1), lambda i: i >= {2} AND \
starts_with(substring({1}, i), {0})), TRUE)
INSTR STRPOS | string string | LONG | strpos({0}, {1})
ASCII | string | INTEGER |
CHR | number | STRING | chr(CAST({0} AS INTEGER))
REGEXP_LIKE | string string | BOOLEAN | regexp_matches({*})
REGEXP_SUBSTR REGEXP_EXTRACT | string string | STRING | nullif(regexp_extract({*}), '')
REGEXP_REPLACE | string string string | STRING | regexp_replace(left({0}, \
16384//greatest(1, length({2}))), {1}, {2}, 'g')
STARTS_WITH ENDS_WITH | string string | BOOLEAN |
HASH64 | any | LONG | CAST(hash({0}) >> 1 AS BIGINT)
UUID | | STRING | CAST(uuid() AS VARCHAR)
COALESCE NVL IFNULL | any any* | same | coalesce({*})
NVL2 | any any any | last | CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END
NULLIF | any any | first |
DATE_TRUNC | string time | last | date_trunc({*})
YEAR MONTH DAY HOUR MINUTE SECOND QUARTER WEEK | time | INTEGER | CAST({name}({0}) AS INTEGER)
DAYOFMONTH | time | INTEGER | CAST(day({0}) AS INTEGER)
DAYOFYEAR | time | INTEGER | CAST(dayofyear({0}) AS INTEGER)
DAYOFWEEK | time | INTEGER | CAST(dayofweek({0}) + 1 AS INTEGER)
SECONDS_BETWEEN | time time | LONG | date_diff('second', {0} :: TIMESTAMP, {1} :: TIMESTAMP)
CONVERT_TIME_ZONE_FROM_UTC | time string | first | timezone({1}, timezone('UTC', {0} :: TIMESTAMP))
EPOCH_TO_UTC_TIMESTAMP | number | TIMESTAMP | make_timestamp(CAST({0} AS BIGINT) * CASE WHEN \
abs({0}) < 100000000000 THEN 1000000 ELSE 1000 END)
ARRAY_SORT | array | same | list_sort({0})
ARRAY_CONTAINS | array any | BOOLEAN | list_contains({*})
CONTAINED_IN | any array | BOOLEAN | list_contains({1}, {0})
ARRAY_DISTINCT | array | same | list_filter({0}, lambda x, i: list_position({0}, x) = i)
ARRAY_CAT ARRAY_CONCAT | array array | same | list_concat({*})
ARRAY_INTERSECT | array array | same | list_intersect({*})
ARRAY_COMPLEMENT | array array | same | list_filter({0}, lambda x: NOT list_contains({1}, x))
ARRAY_REMOVE | array any | first | list_filter({0}, lambda x: x IS DISTINCT FROM {1})
ARRAY_UNION | array array | same | list_filter(list_concat({*}), lambda x, i: \
list_position(list_concat({*}), x) = i)
FLATTEN | array | element | flatten({0})
EXPLODE | array | element | unnest({0})
ARRAY_JOIN ARRAY_TO_STRING | array string | STRING | array_to_string({*})
ARRAY_POSITION | array any | INTEGER | list_position({*})
CARDINALITY ARRAY_SIZE | array | INTEGER | CAST(len({0}) AS INTEGER)
JSON_SERIALIZE | any | STRING | CAST(to_json({0}) AS VARCHAR)
GREATEST LEAST | any any* | same | CASE WHEN {nulls} THEN NULL ELSE {name}({*}) END
"""
_AGGREGATE = """
SUM | number | sum | sum({0})
AVG STDDEV STDDEV_POP STDDEV_SAMP VAR_POP VAR_SAMP VARIANCE MEDIAN SKEWNESS | number | DOUBLE |
MIN MAX | any | same |
ANY_VALUE | any | same | min({0})
COUNT | any any* | LONG | count({*})
APPROX_COUNT_DISTINCT | any | LONG | count(DISTINCT {0})
PERCENTILE APPROX_PERCENTILE | number number | DOUBLE | quantile_cont({0}, {1})
COLLECT ARRAY_AGG | any | array | list({0} ORDER BY {0})
"""
_WINDOW = """
ROW_NUMBER RANK DENSE_RANK | | LONG |
PERCENT_RANK CUME_DIST | | DOUBLE |
NTILE | number | LONG |
LAG LEAD | any number? any? | first |
FIRST_VALUE LAST_VALUE | any | first |
"""
_TOTAL = """
CONCAT UPPER LOWER REVERSE LTRIM RTRIM TRIM MD5 SHA1 SHA256 HASH64 LENGTH CHAR_LENGTH
CHARACTER_LENGTH LPAD RPAD LEFT RIGHT SUBSTR SPLIT_PART REPLACE TRANSLATE REGEXP_REPLACE
ROUND ABS JSON_SERIALIZE CONVERT_TIME_ZONE_FROM_UTC
"""
_REPEATS = 100
_ALL = " // "
_MARK = re.compile(r"\{(\*|name|nulls|\d)\}")


def _summed(types: list[str]) -> str:
    return types[0] if types[0] in {"DOUBLE", "DECIMAL(38,4)"} else "LONG"


_RESULTS: Mapping[str, Callable[[list[str]], str]] = {
    "same": wider,
    "first": lambda types: types[0],
    "last": lambda types: types[-1],
    "element": lambda types: element_of(types[0]),
    "array": lambda types: f"ARRAY<{types[0]}>",
    "sum": _summed,
}


@dataclass(frozen=True, slots=True)
class Function:
    """One function: what it takes, what it gives, how it is said."""

    name: str
    kind: str
    """scalar, aggregate or window."""
    families: tuple[str, ...]
    result: str
    template: str

    @property
    def is_total(self) -> bool:
        """It has a value wherever its arguments have one, so that nobody can tell by it whether
        an argument is a certain text."""
        return self.kind == "scalar" and self.name in _TOTAL.split()

    def takes(self, types: list[str]) -> bool:
        """Arity and families; a literal of no type fits everywhere."""
        least = sum(1 for f in self.families if f[-1] not in "?*")
        most = len(self.families) + (
            _REPEATS if self.families[-1:] and "*" in self.families[-1] else 0
        )
        if not least <= len(types) <= most:
            return False
        wanted = [f.rstrip("?*") for f in self.families]
        wanted += wanted[-1:] * (len(types) - len(wanted))
        return all(fits(w, family(t)) for w, t in zip(wanted, types, strict=False))

    def result_type(self, types: list[str]) -> str:
        derive = _RESULTS.get(self.result)
        return derive(types) if derive else self.result

    def write(self, arguments: list[str], data_type: str) -> str:
        least, _, most = self.template.partition(_ALL)
        text = most if most and len(arguments) == len(self.families) else least
        text = text or self.name.lower() + "({*})"
        values = {
            "*": ", ".join(arguments),
            "name": self.name.lower(),
            "nulls": " OR ".join(f"{argument} IS NULL" for argument in arguments),
            **{str(number): argument for number, argument in enumerate(arguments)},
        }
        # One pass: an argument may be a text that holds marks itself.
        written = _MARK.sub(lambda mark: values[mark[1]], text)
        moment = self.result in {"first", "last"} and data_type in {"DATE", "TIMESTAMP"}
        return f"CAST({written} AS {data_type})" if moment else written


def signature(name: str, types: list[str]) -> str:
    """As in `No match found for function signature F(<VARCHAR>)`."""
    return f"{name.upper()}({', '.join(f'<{calcite_name(t)}>' for t in types)})"


@cache
def functions() -> dict[str, Function]:
    """Every function by upper-case name."""
    found = {}
    for kind, text in (("scalar", _SCALAR), ("aggregate", _AGGREGATE), ("window", _WINDOW)):
        for line in filter(None, text.splitlines()):
            names, families, result, template = (part.strip() for part in line.split("|"))
            for name in names.split():
                found[name] = Function(name, kind, tuple(families.split()), result, template)
    return found
