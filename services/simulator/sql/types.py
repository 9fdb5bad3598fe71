"""The data type and the column class of an expression, as far as its form tells them.

An approximation: enough for honest outputColumns and for values of the right kind.
"""

from sqlglot import exp

from services.simulator.catalogue import Column
from services.simulator.sql.scope import Scope

_DECIMAL = "DECIMAL(38,4)"
_WIDTH = ("INTEGER", "LONG", _DECIMAL, "DOUBLE")

_BY_NODE: tuple[tuple[tuple[type[exp.Expr], ...], str, str], ...] = (
    ((exp.Count, exp.CountIf, exp.ApproxDistinct), "LONG", "METRIC"),
    ((exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance), "DOUBLE", "METRIC"),
    ((exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean), "BOOLEAN", "DIMENSION"),
    ((exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile), "LONG", "DIMENSION"),
    ((exp.CurrentDate, exp.Date, exp.TsOrDsToDate), "DATE", "DIMENSION"),
    ((exp.CurrentTimestamp, exp.TimestampTrunc), "TIMESTAMP", "DIMENSION"),
    ((exp.Extract, exp.Year, exp.Month, exp.Day, exp.DayOfWeek), "INTEGER", "DIMENSION"),
    ((exp.Length, exp.DateDiff, exp.TimestampDiff), "LONG", "DIMENSION"),
    ((exp.Sqrt, exp.Ln, exp.Exp, exp.Pow, exp.PercentileCont, exp.Median), "DOUBLE", "METRIC"),
    ((exp.ArrayAgg, exp.Array), "ARRAY<STRING>", "DIMENSION"),
)
_SAME_AS_FIRST = (
    exp.Paren, exp.Alias, exp.Window, exp.Filter, exp.Min, exp.Max, exp.Round, exp.Abs, exp.Ceil,
    exp.Floor, exp.Neg, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Lag, exp.Lead,
    exp.FirstValue, exp.LastValue, exp.IgnoreNulls, exp.RespectNulls, exp.Distinct, exp.AnyValue,
)  # fmt: skip
_ANONYMOUS = {
    "BUILT_IN_PARAMETER": "TIMESTAMP",
    "CONVERT_TIME_ZONE_FROM_UTC": "TIMESTAMP",
    "EPOCH_TO_UTC_TIMESTAMP": "TIMESTAMP",
    "SECONDS_BETWEEN": "LONG",
    "HASH64": "LONG",
    "CARDINALITY": "INTEGER",
    "ARRAY_CONTAINS": "BOOLEAN",
    "COLLECT": "ARRAY<STRING>",
    "ARRAY_SORT": "ARRAY<STRING>",
}
_CASTS = {
    "BIGINT": "LONG",
    "INT": "INTEGER",
    "SMALLINT": "INTEGER",
    "TINYINT": "INTEGER",
    "DECIMAL": _DECIMAL,
    "DOUBLE": "DOUBLE",
    "FLOAT": "DOUBLE",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
}


def column_of(name: str, node: exp.Expr, scope: Scope) -> Column:
    """The result column that an item of a select list makes."""
    data_type, column_type = type_of(node, scope)
    return Column(name, data_type, column_type)


def type_of(node: exp.Expr, scope: Scope) -> tuple[str, str]:
    """Data type and DIMENSION or METRIC; STRING for what is not known."""
    if isinstance(node, exp.Column):
        return _column(node, scope)
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct):
        return "LONG", "DIMENSION"  # as captured from AMC for COUNT(DISTINCT user_id)
    if isinstance(node, exp.Sum):
        return _sum(type_of(node.this, scope)[0]), "METRIC"
    for kinds, data_type, column_type in _BY_NODE:
        if isinstance(node, kinds):
            return data_type, column_type
    if isinstance(node, _SAME_AS_FIRST):
        inner = node.this if isinstance(node.this, exp.Expr) else None
        inner = inner or next(iter(node.expressions), None)
        return type_of(inner, scope) if inner is not None else ("STRING", "DIMENSION")
    return _composed(node, scope)


def _composed(node: exp.Expr, scope: Scope) -> tuple[str, str]:
    if isinstance(node, exp.Literal):
        return _literal(node)
    if isinstance(node, (exp.Cast, exp.TryCast)):
        kind = node.to.this
        name = kind.value if isinstance(kind, exp.DataType.Type) else str(kind)
        return _CASTS.get(name.upper(), "STRING"), type_of(node.this, scope)[1]
    if isinstance(node, (exp.Case, exp.If)):
        return _branch(node, scope)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv)):
        return _arithmetic(node, scope)
    if isinstance(node, exp.Anonymous):
        return _anonymous(node, scope), "DIMENSION"
    return "STRING", "DIMENSION"


def _column(node: exp.Column, scope: Scope) -> tuple[str, str]:
    if node.table:
        relation = scope.relation(node.table)
        known = (relation.columns or {}) if relation else {}
        found = known.get(node.name.lower())
    else:
        found = next(iter(scope.find(node.name)), None)
    return (found.data_type, found.column_type) if found else ("STRING", "DIMENSION")


def _literal(node: exp.Literal) -> tuple[str, str]:
    if node.is_string:
        return "STRING", "DIMENSION"
    return (_DECIMAL if "." in str(node.this) else "INTEGER"), "DIMENSION"


def _sum(inner: str) -> str:
    if inner.startswith("DECIMAL") or inner == "DOUBLE":
        return inner
    return "LONG"


def _branch(node: exp.Case | exp.If, scope: Scope) -> tuple[str, str]:
    if isinstance(node, exp.Case):
        results = [when.args.get("true") for when in node.args.get("ifs") or []]
        results.append(node.args.get("default"))
    else:
        results = [node.args.get("true"), node.args.get("false")]
    for result in results:
        if isinstance(result, exp.Expr) and not isinstance(result, exp.Null):
            return type_of(result, scope)
    return "STRING", "DIMENSION"


def _arithmetic(node: exp.Expr, scope: Scope) -> tuple[str, str]:
    sides = [type_of(side, scope) for side in (node.this, node.expression)]
    metric = "METRIC" if any(side[1] == "METRIC" for side in sides) else "DIMENSION"
    if isinstance(node, exp.Div):
        return "DOUBLE", metric
    for moment in ("TIMESTAMP", "DATE"):
        if any(side[0] == moment for side in sides):
            return moment, "DIMENSION"
    widths = [_WIDTH.index(side[0]) if side[0] in _WIDTH else 1 for side in sides]
    return _WIDTH[max(widths)], metric


def _anonymous(node: exp.Anonymous, scope: Scope) -> str:
    name = node.name.upper()
    if name == "CUSTOM_PARAMETER" and node.expressions:
        return scope.parameters.get(node.expressions[0].name, "STRING")
    return _ANONYMOUS.get(name, "STRING")
