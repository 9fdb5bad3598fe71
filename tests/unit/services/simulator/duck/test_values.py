"""What functions and operators give, value by value."""

import pytest

CASES = [
    ("1 + 2 * 3", "7"),
    ("7 / 2", "3.5"),
    ("7 / 0", None),
    ("7 % 4", "3"),
    ("MOD(9, 4)", "1"),
    ("ABS(-3)", "3"),
    ("ROUND(2.567, 1)", "2.6"),
    ("CEIL(1.2)", "2"),
    ("FLOOR(1.8)", "1"),
    ("POWER(2, 10)", "1024.0"),
    ("CAST(3.9 AS INTEGER)", "3"),
    ("CAST('12' AS BIGINT)", "12"),
    ("UPPER('abc')", "ABC"),
    ("CONCAT('a', 1, 'b')", "a1b"),
    ("CONCAT('a', NULL, 'b')", "ab"),
    ("LENGTH('abcd')", "4"),
    ("SUBSTRING('abcdef', 2, 3)", "bcd"),
    ("SUBSTRING('abcdef' FROM 2 FOR 3)", "bcd"),
    ("POSITION('c' IN 'abc')", "3"),
    ("LOCATE('c', 'abc')", "3"),
    ("INSTR('abc', 'b')", "2"),
    ("TRIM('  x ')", "x"),
    ("SPLIT_PART('a/b/c', '/', 2)", "b"),
    ("REPLACE('aXa', 'X', '-')", "a-a"),
    ("REGEXP_SUBSTR('id=42;', '[0-9]+')", "42"),
    ("'Streaming TV OTT' SIMILAR TO 'OTT'", "true"),
    ("'Streaming TV' SIMILAR TO '(?i)streaming'", "true"),
    ("'Streaming TV' SIMILAR TO '(?!)streaming'", "true"),
    ("'Streaming TV' SIMILAR TO '^TV'", "false"),
    ("'abc' LIKE 'a%'", "true"),
    ("COALESCE(NULL, 'x')", "x"),
    ("NULLIF(1, 1)", None),
    ("NVL2(NULL, 'a', 'b')", "b"),
    ("IF(1 > 2, 'a', 'b')", "b"),
    ("CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "two"),
    ("GREATEST(1, 3, 2)", "3"),
    ("GREATEST(1, NULL)", None),
    ("LEAST(1, NULL)", None),
    ("2 BETWEEN 1 AND 3", "true"),
    ("2 IN (1, 3)", "false"),
    ("NULL IS NULL", "true"),
    ("DATE_TRUNC('month', CAST('2026-08-17 10:00:00' AS TIMESTAMP))", "2026-08-01T00:00:00.000"),
    ("EXTRACT(HOUR FROM CAST('2026-08-17 10:05:00' AS TIMESTAMP))", "10"),
    ("DAYOFWEEK(CAST('2026-08-02' AS DATE))", "1"),
    ("DAYOFWEEK(CAST('2026-08-01' AS DATE))", "7"),
    (
        (
            "SECONDS_BETWEEN(CAST('2026-08-01 00:00:00' AS TIMESTAMP),"
            " CAST('2026-08-01 00:01:40' AS TIMESTAMP))"
        ),
        "100",
    ),
    (
        (
            "CONVERT_TIME_ZONE_FROM_UTC(CAST('2026-08-01 12:00:00' AS TIMESTAMP),"
            " 'America/New_York')"
        ),
        "2026-08-01T08:00:00.000",
    ),
    ("CONVERT_TIME_ZONE_FROM_UTC(CAST('2026-08-01' AS DATE), 'Europe/Berlin')", "2026-08-01"),
    ("EPOCH_TO_UTC_TIMESTAMP(4102444800)", "2100-01-01T00:00:00.000"),
    ("CAST('today' AS DATE)", "2026-08-20"),
    ("CAST('now' AS TIMESTAMP)", "2026-08-20T10:30:00.000"),
    ("CAST('2026-08-01' AS DATE) + INTERVAL '2' DAY", "2026-08-03T00:00:00.000"),
    ("CARDINALITY(ARRAY[1, 2, 3])", "3"),
    ("ARRAY[10, 20][2]", "20"),
    ("ARRAY_SORT(ARRAY[3, 1, 2])", "[1, 2, 3]"),
    ("ARRAY_DISTINCT(ARRAY['b', 'a', 'b'])", "[b, a]"),
    ("ARRAY_CONTAINS(ARRAY['a'], 'a')", "true"),
    ("TRUNC(2.567, 1)", "2.5"),
    ("TRUNC(-2.5)", "-2"),
    ("SQRT(9)", "3.0"),
    ("SQRT(-1)", None),
    ("LN(0)", None),
    ("ROUND(LOG(2, 8), 3)", "3.0"),
    ("LOG10(1000)", "3.0"),
    ("ROUND(E(), 4)", "2.7183"),
    ("ROUND(EXP(1) - E(), 3)", "0.0"),
    ("SIGN(-7)", "-1"),
    ("RANDOM() < 1", "true"),
    ("CHARINDEX('b', 'abcb', 3)", "4"),
    ("CHARINDEX('z', 'abc')", "0"),
    ("STRPOS('abc', 'c')", "3"),
    ("LEFT('abcdef', 2)", "ab"),
    ("RIGHT('abcdef', 2)", "ef"),
    ("LTRIM('  x ')", "x "),
    ("RTRIM('  x ')", "  x"),
    ("TRIM(BOTH '-' FROM '--x--')", "x"),
    ("TRIM(LEADING '-' FROM '--x--')", "x--"),
    ("TRIM(TRAILING '-' FROM '--x--')", "--x"),
    ("LOWER('ABC')", "abc"),
    ("REVERSE('abc')", "cba"),
    ("LPAD('7', 3, '0')", "007"),
    ("LENGTH(LPAD('', 2000000000, 'x'))", "4096"),
    ("LENGTH(RPAD('7', 3000000000, 'x'))", "4096"),
    ("LPAD('7', CAST(NULL AS INTEGER), 'x')", None),
    ("REPEAT('ab', 2)", "abab"),
    ("REPLACE('a-b', '-', ' and ')", "a and b"),
    ("LENGTH(REPLACE(REPEAT('a', 4096), 'a', REPEAT('b', 4096)))", "16384"),
    ("LENGTH(REGEXP_REPLACE(REPEAT('a', 4096), 'a', REPEAT('b', 4096)))", "16384"),
    ("REPLACE('a', 'a', NULL)", None),
    ("LENGTH(CONCAT(" + ", ".join(["REPEAT('a', 4096)"] * 5) + "))", "16384"),
    ("REPEAT('ab', 100000000)", None),
    ("REPEAT(REPEAT('a', 4096), 4096)", None),
    ("REGEXP_REPLACE('a1b22', '[0-9]+', '#')", "a#b#"),
    ("REGEXP_SPLIT('a1b22c', '[0-9]+')", "[a, b, c]"),
    ("STR_TO_MAP('a=1,b=2', ',', '=')['b']", "2"),
    ("STR_TO_MAP('a=1,b=2', ',', '=')['z']", None),
    ("FROM_VARBINARY(TO_VARBINARY('abc', 'utf-8'), 'hex')", "616263"),
    ("FROM_VARBINARY(TO_VARBINARY('YWJj', 'base64'), 'utf-8')", "abc"),
    ("JSON_EXTRACT('{\"a\": {\"b\": 5}}', '$.a.b')", "5"),
    ("JSON_EXTRACT('no json', '$.a')", None),
    ("IFNULL(NULL, 'x')", "x"),
    ("NVL(NULL, 3)", "3"),
    ("CAST('no number' AS INTEGER)", None),
    ("CAST('2026-08-02 10:00:00' AS DATE)", "2026-08-02"),
    ("EXTRACT(DOW FROM CAST('2026-08-02' AS DATE))", "1"),
    ("EXTRACT(WEEK FROM CAST('2026-08-02' AS DATE))", "31"),
    ("DAYOFMONTH(CAST('2026-08-17' AS DATE))", "17"),
    ("MONTH(CAST('2026-08-17' AS DATE))", "8"),
    ("YEAR(CAST('2026-08-17' AS DATE))", "2026"),
    ("HOUR(CAST('2026-08-17 10:05:06' AS TIMESTAMP))", "10"),
    ("MINUTE(CAST('2026-08-17 10:05:06' AS TIMESTAMP))", "5"),
    ("SECOND(CAST('2026-08-17 10:05:06' AS TIMESTAMP))", "6"),
    ("WEEK(CAST('2026-08-17' AS DATE))", "34"),
    ("DATE_TRUNC('WEEK', CAST('2026-08-19' AS DATE))", "2026-08-17"),
    ("CURRENT_DATE", "2026-08-20"),
    ("CURRENT_TIMESTAMP", "2026-08-20T10:30:00.000"),
    ("EPOCH_TO_UTC_TIMESTAMP(1785542400000)", "2026-08-01T00:00:00.000"),
    ("ARRAY_CAT(ARRAY[1], ARRAY[2, 1])", "[1, 2, 1]"),
    ("ARRAY_COMPLEMENT(ARRAY[1, 2, 3], ARRAY[2])", "[1, 3]"),
    ("ARRAY_INTERSECT(ARRAY[1, 2], ARRAY[2, 5])", "[2]"),
    ("ARRAY_REMOVE(ARRAY['a', 'b', 'a'], 'a')", "[b]"),
    ("ARRAY_UNION(ARRAY['b', 'a'], ARRAY['a', 'c'])", "[b, a, c]"),
    ("ARRAY_TO_STRING(ARRAY['a', 'b'], ' > ')", "a > b"),
    ("FLATTEN(ARRAY[ARRAY[1], ARRAY[2, 3]])", "[1, 2, 3]"),
    ("CONTAINED_IN('a', ARRAY['a', 'b'])", "true"),
    ("SHA1('x')", "11f6ad8ec52a2984abaafd7c3b516503785c2072"),
    ("HASH64('x') = HASH64('x')", "true"),
    ("LENGTH(UUID())", "36"),
    ("MD5('x')", "9dd4e461268c8034f5c8564e155c67a6"),
    ("CUSTOM_PARAMETER('n') + 1", "4"),
    ("CONCAT(CUSTOM_PARAMETER('site'), '!')", "it's {0} {*}!"),
    ("CARDINALITY(CUSTOM_PARAMETER('names'))", "2"),
    ("CUSTOM_PARAMETER('since')", "2026-08-02"),
    ("BUILT_IN_PARAMETER('TIME_WINDOW_START')", "2026-08-01T00:00:00.000"),
    ("NAMED_ROW('a', 1, 'b', 'x')", "{'a': 1, 'b': x}"),
    ("JSON_SERIALIZE(ARRAY[1, 2])", "[1,2]"),
]


@pytest.mark.parametrize(("expression", "value"), CASES, ids=[case[0] for case in CASES])
def test_an_expression_gives_this_value(ask, expression, value):
    sql = f"WITH v(x) AS (VALUES (1)) SELECT {expression} AS r, COUNT(*) AS n FROM v"

    assert ask(sql) == [(value, "1")]


AGGREGATES = [
    ("SUM(x)", "6"),
    ("AVG(x)", "2.0"),
    ("MIN(x)", "1"),
    ("MAX(s)", "b"),
    ("COUNT(*)", "3"),
    ("COUNT(s)", "2"),
    ("COUNT(DISTINCT s)", "2"),
    ("MEDIAN(x)", "2.0"),
    ("COLLECT(s)", "[a, b, NULL]"),
    ("ARRAY_SORT(COLLECT(DISTINCT CASE WHEN x > 1 THEN 2 ELSE 1 END))", "[1, 2]"),
    ("COLLECT(x) FILTER (WHERE x > 1)", "[2, 3]"),
    ("STDDEV_POP(x)", "0.816496580927726"),
    ("VAR_POP(x)", "0.6666666666666666"),
    ("STDDEV(x)", "1.0"),
    ("STDDEV_SAMP(x)", "1.0"),
    ("VARIANCE(x)", "1.0"),
    ("VAR_SAMP(x)", "1.0"),
    ("SKEWNESS(x)", "0.0"),
    ("APPROX_PERCENTILE(x, 0.5)", "2.0"),
    ("APPROX_COUNT_DISTINCT(x)", "3"),
    ("SUM(x) FILTER (WHERE x > 1)", "5"),
    ("SUM(CASE WHEN s IS NULL THEN x ELSE 0 END)", "3"),
    ("PERCENTILE(x, 0.5)", "2.0"),
]


@pytest.mark.parametrize(("expression", "value"), AGGREGATES)
def test_an_aggregate_gives_this_value(ask, expression, value):
    rows = "(1, 'a'), (2, 'b'), (3, NULL)"
    sql = f"WITH v(x, s) AS (VALUES {rows}) SELECT {expression} AS r FROM v"

    assert ask(sql) == [(value,)]


WINDOWS = [
    ("ROW_NUMBER() OVER (ORDER BY x DESC)", ["3", "2", "1"]),
    ("SUM(x) OVER (ORDER BY x)", ["1", "3", "6"]),
    ("RANK() OVER (ORDER BY x > 1)", ["1", "2", "2"]),
    ("DENSE_RANK() OVER (ORDER BY x DESC)", ["3", "2", "1"]),
    ("NTILE(3) OVER (ORDER BY x)", ["1", "2", "3"]),
    ("PERCENT_RANK() OVER (ORDER BY x)", ["0.0", "0.5", "1.0"]),
    ("LEAD(x, 1, 0) OVER (ORDER BY x)", ["2", "3", "0"]),
    ("FIRST_VALUE(x) OVER (ORDER BY x DESC)", ["3", "3", "3"]),
    ("LAST_VALUE(x) IGNORE NULLS OVER w", ["3", "3", "3"]),
    ("AVG(x) OVER w", ["2.0", "2.0", "2.0"]),
    ("SUM(x) OVER w", ["6", "6", "6"]),
    ("LAG(x) OVER (ORDER BY x)", [None, "1", "2"]),
    ("SUM(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", ["1", "3", "5"]),
]


@pytest.mark.parametrize(("expression", "values"), WINDOWS)
def test_a_window_gives_these_values(ask, expression, values):
    sql = f"""WITH v(x) AS (VALUES (1), (2), (3)),
              t AS (SELECT x, {expression} AS r FROM v WINDOW w AS (PARTITION BY 1 > 0))
              SELECT x, MAX(r) AS r FROM t GROUP BY x"""

    assert [row[1] for row in ask(sql)] == values
