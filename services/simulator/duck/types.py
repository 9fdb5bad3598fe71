"""Types as the binder sees them: AMC's names, their families, and DuckDB's names."""

_DUCK = {
    "STRING": "VARCHAR",
    "LONG": "BIGINT",
    "INTEGER": "INTEGER",
    "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}
NUMBER, STRING, TIME, BOOL, ARRAY, ROW, SPAN, ANY = (
    "number", "string", "time", "boolean", "array", "row", "interval", "any",
)  # fmt: skip
_FAMILIES = {
    "STRING": STRING, "LONG": NUMBER, "INTEGER": NUMBER, "DOUBLE": NUMBER, "DECIMAL": NUMBER,
    "BOOLEAN": BOOL, "DATE": TIME, "TIMESTAMP": TIME, "ARRAY": ARRAY, "ROW": ROW, "INTERVAL": SPAN,
    "MAP": "map", "BINARY": "binary",
}  # fmt: skip
_CALCITE = {STRING: "VARCHAR", NUMBER: "NUMERIC", TIME: "TIMESTAMP", ANY: "ANY"}
_WIDTHS = ("INTEGER", "LONG", "DECIMAL(38,4)", "DOUBLE")


def duck_type(data_type: str) -> str:
    """DuckDB's name of a catalogue type; DECIMAL is kept narrow, sums widen it."""
    if data_type.startswith("ARRAY<"):
        return f"{duck_type(data_type[6:-1])}[]"
    if data_type.startswith("DECIMAL"):
        return "DECIMAL(18,4)"
    return _DUCK.get(data_type, "VARCHAR")


def family(data_type: str) -> str:
    return _FAMILIES.get(data_type.partition("(")[0].partition("<")[0], ANY)


def element_of(data_type: str) -> str:
    return data_type[6:-1] if data_type.startswith("ARRAY<") else "ANY"


def fits(wanted: str, found: str) -> bool:
    """A family may stand where another is wanted."""
    return wanted == found or ANY in {wanted, found}


def wider(types: list[str]) -> str:
    """The type that holds values of all of them: the widest number, or the first known."""
    known = [data_type for data_type in types if data_type != "ANY"]
    if not known:
        return "ANY"
    if all(data_type in _WIDTHS for data_type in known):
        return max(known, key=_WIDTHS.index)
    return known[0]


def calcite_name(data_type: str) -> str:
    """As Calcite writes a type in `No match found for function signature`."""
    return _CALCITE.get(family(data_type), family(data_type).upper())
