"""Random queries in AMC's SQL, made of relations that all have the same shape.

Each has the columns k (a text), a and b (numbers) and, if it keeps its users, user_id; so any can
stand where another does. What is drawn is meant to leak: single users are picked out by a site, an
hour or a creative, and hidden behind other people's rows.
"""

from hypothesis import strategies as st

DIMENSIONS = ("campaign", "CAST(campaign_id AS VARCHAR)", "entity_id", "creative")
WIDE = ("postal_code", "city_name", "site", "device_type", "browser_family")
MEASURES = {
    "dsp_impressions": ("impressions", "impression_cost"),
    "dsp_clicks": ("clicks",),
    "sponsored_ads_traffic": ("clicks", "spend"),
    "EXTEND_TIME_WINDOW('dsp_clicks', 'P1D', 'P0D')": ("clicks",),
}
LIMITS = st.sampled_from([0, 0, 0, 1, 2, 4])
TIMES = {"dsp_impressions": "impression_hour_utc", "sponsored_ads_traffic": "event_hour_utc"}


def _picked(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


@st.composite
def tests_of(draw, table: str) -> str:
    """A condition on event rows, often so narrow that one user is left."""
    hour = TIMES.get(table, "click_hour_utc")
    return draw(
        _picked(
            "campaign LIKE '%o%'",
            "creative LIKE '%Brand%'",
            f"{hour} = {draw(st.integers(0, 23))}",
            f"{hour} IN (3, 4) AND campaign LIKE '%a%'",
            "user_id IS NULL",
            "user_id IS NOT NULL",
        )
    )


@st.composite
def measures(draw, table: str) -> str:
    name, test = draw(st.sampled_from(MEASURES[table])), draw(tests_of(table))
    return draw(
        _picked(
            f"SUM({name})",
            "COUNT(*)",
            "COUNT(user_id)",
            "COUNT(DISTINCT user_id)",
            f"SUM(CASE WHEN {test} THEN {name} ELSE 0 END)",
            f"SUM(CASE WHEN {test} THEN 1 ELSE 0 END)",
            f"COUNT(CASE WHEN {test} THEN user_id END)",
            f"COALESCE(SUM({name}) FILTER (WHERE {test}), 0)",
        )
    )


@st.composite
def leaves(draw, *, user: bool, wide: bool) -> str:
    table = draw(st.sampled_from(sorted(MEASURES)))
    wide = wide and table != "sponsored_ads_traffic" and draw(st.booleans())
    key = draw(st.sampled_from(WIDE if wide else DIMENSIONS))
    where = f" WHERE {draw(tests_of(table))}" if draw(st.booleans()) else ""
    keys = f"user_id, {key}" if user else key
    first, second = draw(measures(table)), draw(measures(table))
    shown = f"user_id, {key} AS k" if user else f"{key} AS k"
    return f"SELECT {shown}, {first} AS a, {second} AS b FROM {table}{where} GROUP BY {keys}"


@st.composite
def keys(draw, alias: str = "t") -> str:
    return draw(
        _picked(
            f"{alias}.k",
            f"{alias}.k",
            f"CASE WHEN {alias}.a > {draw(LIMITS)} THEN 'many' ELSE 'few' END",
            f"CASE WHEN {alias}.b > 0 THEN {alias}.k ELSE 'none' END",
            "'all'",
        )
    )


@st.composite
def conditions(draw, depth: int, *, user: bool) -> str:
    """Of rows of a relation t; some look at what few users stand behind, some at sub-queries."""
    number = draw(LIMITS)
    other = draw(relations(depth - 1, user=user))
    plain = draw(relations(depth - 1, user=False))
    texts = [
        f"t.a > {number}", f"t.b > {number}", "t.b = 0", "t.b IS NOT NULL", f"t.a + t.b > {number}",
        f"(t.b > 0 OR t.a > {number})", "NOT (t.b = 0)",
        f"t.k IN (SELECT k FROM ({plain}) s WHERE s.b > 0)",
        f"t.a IN (SELECT b FROM ({other}) s)",
        f"EXISTS (SELECT 1 FROM ({plain}) s WHERE s.k = t.k AND s.b > {number})",
        f"EXISTS (SELECT 1 FROM ({plain}) s WHERE s.b > {number})",
        "t.k IN ('x', 'y') OR t.a > 0",
    ]  # fmt: skip
    if user:
        texts += [
            f"t.user_id IN (SELECT user_id FROM ({other}) s WHERE s.b > 0)",
            f"t.user_id NOT IN (SELECT user_id FROM ({other}) s WHERE user_id IS NOT NULL)",
            f"EXISTS (SELECT 1 FROM ({other}) s WHERE s.user_id = t.user_id AND s.b > 0)",
        ]
    return draw(st.sampled_from(texts))


@st.composite
def joined(draw, depth: int, *, user: bool) -> str:
    left = draw(relations(depth - 1, user=user))
    right = draw(relations(depth - 1, user=user or draw(st.booleans())))
    both = user and "user_id" in right.split("FROM")[0]
    kind = draw(_picked("JOIN", "LEFT JOIN", "FULL JOIN", "INNER JOIN", "FULL OUTER JOIN"))
    ons = ["t.k = u.k", "t.k = u.k AND u.b > 0", "t.k = u.k AND t.b > 0"]
    if both:
        same = "t.user_id = u.user_id"
        ons = [same, f"{same} AND t.k = u.k", f"{same} AND u.b > 0", "t.k = u.k"]
    if "FULL" not in kind:
        ons += ["t.a < u.a"]
    shown = draw(_picked("t.user_id", "u.user_id", "COALESCE(t.user_id, u.user_id)")) if both else (
        "t.user_id" if user else ""
    )  # fmt: skip
    one = draw(_picked("t.a", "u.a", "COALESCE(t.a, 0) + COALESCE(u.a, 0)"))
    two = draw(_picked("u.b", "t.b", "CASE WHEN u.b IS NULL THEN 0 ELSE 1 END"))
    items = (
        f"{f'{shown} AS user_id, ' if user else ''}COALESCE(t.k, u.k) AS k, {one} AS a, {two} AS b"
    )
    on = draw(st.sampled_from(ons))
    if draw(st.integers(0, 3)) == 0:
        return f"WITH w AS ({left}) SELECT {items} FROM w t {kind} w u ON {on}"
    third = draw(relations(0, user=user))
    if both and draw(st.integers(0, 3)) == 0:
        on = draw(
            _picked("t.user_id = v.user_id", "u.user_id = v.user_id", "t.user_id = u.user_id")
        )
        tail = f"LEFT JOIN ({third}) v ON {on} AND v.k = t.k"
        return f"SELECT {items} FROM ({left}) t JOIN ({right}) u ON t.k = u.k {tail}"
    return f"SELECT {items} FROM ({left}) t {kind} ({right}) u ON {on}"


@st.composite
def windowed(draw, depth: int, *, user: bool) -> str:
    inner = draw(relations(depth - 1, user=user))
    part = draw(_picked("", "PARTITION BY k ", "PARTITION BY user_id " if user else ""))
    order = draw(_picked("ORDER BY a, k", "ORDER BY b DESC, k"))
    text = draw(
        _picked(
            f"SUM(b) OVER ({part})",
            f"SUM(a) OVER ({part}{order})",
            f"LAG(b) OVER ({part}{order})",
            f"LEAD(a, 1, 0) OVER ({part}{order})",
            f"FIRST_VALUE(NULLIF(b, 0)) IGNORE NULLS OVER ({part}{order})",
            f"MAX(b) OVER ({part})",
            f"COUNT(*) OVER ({part})",
        )
    )
    shown = "user_id, " if user else ""
    if draw(st.booleans()):
        rank = f"ROW_NUMBER() OVER ({part}{order})"
        ranked = f"SELECT {shown}k, a, b, {rank} AS r FROM ({inner}) t"
        return f"SELECT {shown}k, a, b FROM ({ranked}) x WHERE r <= {draw(st.integers(1, 3))}"
    return f"SELECT {shown}k, a, {text} AS b FROM ({inner}) t"


@st.composite
def relations(draw, depth: int, *, user: bool, wide: bool = False) -> str:  # noqa: PLR0911  a choice
    if depth <= 0:
        return draw(leaves(user=user, wide=wide))
    kind = draw(st.integers(0, 8))
    shown = "t.user_id, " if user else ""
    if kind <= 1:
        return draw(joined(depth, user=user))
    if kind == 2:
        return draw(windowed(depth, user=user))
    inner = draw(relations(depth - 1, user=user or draw(st.booleans()), wide=wide))
    if kind in {3, 4}:
        key = draw(keys())
        having = draw(_picked("", "", " HAVING SUM(t.b) > 0", " HAVING COUNT(*) > 1"))
        by = f"{shown}{key}"
        sums = "SUM(t.a) AS a, SUM(t.b) AS b"
        return f"SELECT {shown}{key} AS k, {sums} FROM ({inner}) t GROUP BY {by}{having}"
    keeps = draw(relations(depth - 1, user=user, wide=wide))
    if kind in {5, 6}:
        test = draw(conditions(depth, user=user))
        return f"SELECT {shown}t.k, t.a, t.b FROM ({keeps}) t WHERE {test}"
    if kind == 7:
        other, word = draw(relations(depth - 1, user=user)), draw(_picked("UNION", "UNION ALL"))
        names = "user_id, k, a, b" if user else "k, a, b"
        return f"SELECT {names} FROM ({keeps}) t {word} SELECT {names} FROM ({other}) u"
    return draw(
        _picked(
            f"SELECT DISTINCT {shown}t.k, t.b AS a, t.b FROM ({keeps}) t",
            f"SELECT {shown}v.label AS k, t.a, t.b FROM ({keeps}) t"
            " JOIN (VALUES (0, 'none'), (1, 'one'), (2, 'two')) v(n, label) ON v.n = t.b",
            f"SELECT {shown}e AS k, t.a, t.b FROM ({keeps}) t, UNNEST(ARRAY[t.k, 'x']) AS x(e)",
        )
    )


@st.composite
def plans(draw, depth: int = 2) -> str:
    """A whole query: column k tells its rows apart, the others are metrics."""
    user = draw(st.booleans())
    inner = draw(relations(draw(st.integers(0, depth)), user=user, wide=True))
    key = draw(keys())
    users = ", COUNT(DISTINCT t.user_id) AS n" if user and draw(st.booleans()) else ""
    having = draw(_picked("", "", " HAVING SUM(t.b) > 0"))
    sums = f"SUM(t.a) AS a, SUM(t.b) AS b{users}"
    last = f"SELECT {key} AS k, {sums} FROM ({inner}) t GROUP BY {key}{having}"
    other = draw(relations(0, user=False))
    return draw(
        st.sampled_from(
            [
                last,
                last,
                f"SELECT DISTINCT k, a, b FROM ({last}) z WHERE a >= 0",
                (
                    f"SELECT k, a, b FROM ({last}) z UNION ALL"
                    f" SELECT CONCAT('other ', k), a, b FROM ({other}) y"
                ),
            ]
        )
    )
