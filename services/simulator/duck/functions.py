"""The functions a query may call, and how each is said to DuckDB.

A line is `NAMES | argument families | result type | translation`. A family with `?` may be left
out, one with `*` repeats. `same` is the widest type of the arguments, `first` the first one's.
Left out of the translation is `name(arguments)`.
"""

import re
from dataclasses import dataclass
from functools import cache

from services.simulator.duck.types import (
    calcite_name,
    family,
    fits,
    wider,
)

_SCALAR = """
ABS SIGN | number | same |
CEIL CEILING | number | same | ceil({0})
FLOOR | number | same |
ROUND | number number? | same |
TRUNCATE | number number? | same | trunc({0})
SQRT LN LOG10 LOG2 EXP SIN COS TAN ASIN ACOS ATAN RADIANS DEGREES CBRT | number | DOUBLE |
LOG | number | DOUBLE | ln({0})
POWER POW | number number | DOUBLE | pow({0}, {1})
MOD | number number | same | ({0} % nullif({1}, 0))
PI | | DOUBLE |
UPPER LOWER REVERSE LTRIM RTRIM MD5 SHA1 | string | STRING |
LENGTH CHAR_LENGTH CHARACTER_LENGTH | string | INTEGER | CAST(length({0}) AS INTEGER)
CONCAT | any any* | STRING | concat({*})
REPLACE TRANSLATE | string string string | STRING |
LPAD RPAD | string number string | STRING |
LEFT RIGHT REPEAT | string number | STRING |
SUBSTR | string number number? | STRING | substring({*})
SPLIT_PART | string string number | STRING |
SPLIT | string string | ARRAY<STRING> | string_split({*})
LOCATE CHARINDEX | string string | LONG | strpos({1}, {0})
INSTR | string string | LONG | strpos({0}, {1})
ASCII | string | INTEGER |
CHR | number | STRING | chr(CAST({0} AS INTEGER))
REGEXP_LIKE | string string | BOOLEAN | regexp_matches({*})
REGEXP_SUBSTR REGEXP_EXTRACT | string string | STRING | nullif(regexp_extract({*}), '')
REGEXP_REPLACE | string string string | STRING | regexp_replace({*}, 'g')
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
EPOCH_TO_UTC_TIMESTAMP | number | TIMESTAMP | make_timestamp(CAST({0} AS BIGINT) * 1000000)
ARRAY_SORT | array | same | list_sort({0})
ARRAY_CONTAINS | array any | BOOLEAN | list_contains({*})
CONTAINED_IN | any array | BOOLEAN | list_contains({1}, {0})
ARRAY_DISTINCT | array | same | list_filter({0}, lambda x, i: list_position({0}, x) = i)
ARRAY_CONCAT | array array | same | list_concat({*})
ARRAY_INTERSECT | array array | same | list_intersect({*})
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
COLLECT ARRAY_AGG | any | array | list({0} ORDER BY {0}) FILTER (WHERE {0} IS NOT NULL)
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
_MARK = re.compile(r"\{(\*|name|nulls|\d)\}")


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
        match self.result:
            case "same":
                return wider(types)
            case "first":
                return types[0]
            case "last":
                return types[-1]
            case "array":
                return f"ARRAY<{types[0]}>"
            case "sum":
                return types[0] if types[0] in {"DOUBLE", "DECIMAL(38,4)"} else "LONG"
            case _:
                return self.result

    def write(self, arguments: list[str], data_type: str) -> str:
        text = self.template or self.name.lower() + "({*})"
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
