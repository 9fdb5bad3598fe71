"""Which rows and values show, by the users behind them."""

import pytest

PER_TOWN = (
    "SELECT postal_code, device_type, SUM(impressions) AS n FROM dsp_impressions GROUP BY 1, 2"
)


def test_a_group_with_enough_users_shows_and_no_other(ask, raw):
    enough = raw(
        """SELECT count(*) FROM (SELECT postal_code FROM shown f JOIN users u USING (uid)
           WHERE ts >= TIMESTAMP '2026-08-01' AND ts < TIMESTAMP '2026-08-08'
           GROUP BY 1 HAVING count(DISTINCT uid) FILTER (uid >= 0) >= 100)"""
    )[0][0]

    shown = ask("SELECT postal_code, COUNT(*) AS n FROM dsp_impressions GROUP BY 1")
    assert len(shown) == enough > 0


def test_thresholds_can_empty_a_result(ask):
    sql = "SELECT city_name, SUM(clicks) AS n FROM dsp_clicks WHERE clicks > 0 GROUP BY 1"

    assert ask(sql) == []


def test_a_row_rests_on_the_users_of_its_weakest_metric(ask):
    wide = "SUM(CASE WHEN device_type = 'Nowhere' THEN impressions ELSE 0 END) AS none"
    rows = ask(f"SELECT postal_code, COUNT(*) AS n, {wide} FROM dsp_impressions GROUP BY 1")
    strict = "SUM(CASE WHEN device_type = 'ConnectedDevice' THEN impressions ELSE 0 END) AS few"
    fewer = ask(f"SELECT postal_code, COUNT(*) AS n, {strict} FROM dsp_impressions GROUP BY 1")

    assert len(rows) > len(fewer)
    assert {row[2] for row in rows} == {"0"}


def test_grouping_again_does_not_make_users(ask):
    """A metric of few users stays one of few, though its row rests on many."""
    inner = """SELECT postal_code, campaign, COUNT(*) AS n,
               SUM(CASE WHEN device_type = 'ConnectedDevice' THEN 1 ELSE 0 END) AS few
               FROM dsp_impressions GROUP BY 1, 2"""
    once = ask(f"SELECT postal_code, SUM(n) AS n FROM ({inner}) t GROUP BY 1")
    twice = ask(f"SELECT postal_code, SUM(n) AS n, SUM(few) AS few FROM ({inner}) t GROUP BY 1")

    assert once
    assert twice == []


def test_totals_joined_to_one_users_rows_lend_them_nobody(ask):
    sql = """WITH total AS (SELECT campaign, COUNT(*) AS n FROM dsp_impressions GROUP BY 1),
             one AS (SELECT user_id, campaign, SUM(clicks) AS c FROM dsp_clicks GROUP BY 1, 2)
             SELECT o.campaign, t.n, o.c, COUNT(o.user_id) AS users FROM one o
             JOIN total t ON t.campaign = o.campaign GROUP BY o.user_id, o.campaign, t.n, o.c"""

    assert ask(sql) == []


def test_remove_values_keeps_what_is_common_and_adds_it_up(ask):
    rows = ask(PER_TOWN, remove_values=True, discriminator="cut", user_count="users", reason="why")
    total = int(ask("SELECT COUNT(*) AS n FROM dsp_impressions")[0][0])
    cut = [row for row in rows if row[3] == "true"]

    assert cut
    assert all(row[0] is None and "users < 100 required" in row[5] for row in cut)
    assert all(int(row[4]) >= 100 for row in rows if row[3] == "false" and row[4] is not None)
    assert sum(int(row[2]) for row in rows) == total


def test_a_discriminator_alone_means_remove_values(ask):
    assert any(row[-1] == "true" for row in ask(PER_TOWN, discriminator="cut"))


def test_the_count_of_users_is_exact(ask, raw):
    rows = ask(
        "SELECT campaign, SUM(impressions) AS n FROM dsp_impressions GROUP BY 1", user_count="u"
    )
    known = raw(
        """SELECT campaign, count(DISTINCT uid) FILTER (uid >= 0) FROM shown JOIN ads USING (ad)
           WHERE ts >= TIMESTAMP '2026-08-01' AND ts < TIMESTAMP '2026-08-08' GROUP BY 1"""
    )

    assert {row[0]: int(row[2]) for row in rows} == dict(known)


@pytest.mark.parametrize("word", ["MIN", "MAX"])
def test_an_extreme_keeps_the_class_of_its_argument(ask, word):
    sql = f"SELECT postal_code, {word}(impression_dt_utc) AS t FROM dsp_impressions GROUP BY 1"

    assert all(len(row[1]) == len("2026-08-01T00:00:00.000") for row in ask(sql))


def test_the_parts_of_a_union_show_what_each_shows_alone(ask):
    parts = [
        "SELECT postal_code AS k, COUNT(*) AS n FROM dsp_impressions GROUP BY 1",
        "SELECT city_name, SUM(clicks) FROM dsp_clicks GROUP BY 1",
        "SELECT campaign, COUNT(DISTINCT user_id) FROM dsp_impressions GROUP BY 1",
        "SELECT postal_code, SUM(clicks) FROM dsp_clicks GROUP BY 1",
    ]
    whole = ask(" UNION ALL ".join(parts), user_count="u")

    assert whole == sorted(
        ask(f"{parts[0]} UNION ALL ({' UNION ALL '.join(parts[1:])})", user_count="u")
    )
    # One class decides for all rows: a part alone may show more than it does here.
    assert {row[:2] for row in whole} <= {row for part in parts for row in ask(part)}
    assert {row[:2] for row in whole} >= set(ask(parts[0]))


def test_a_part_of_a_union_is_written_once_and_alike_parts_share_their_columns(prepared):
    part = "SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY 1"
    few, many = (len(prepared(" UNION ALL ".join([part] * n))) for n in (10, 100))

    assert many < 10.5 * few
