"""Good queries with some of their words dropped, doubled, swapped or replaced."""

import re

from hypothesis import strategies as st

from services.simulator.duck.examples import FILE
from tests.unit.services.simulator.duck.plans import plans

_SEEDS = re.findall(r"```sql\n(.*?)```", FILE.read_text("utf-8"), re.DOTALL)
_VOCABULARY = """
    SELECT FROM WHERE GROUP BY HAVING JOIN LEFT FULL ON USING WITH AS UNION ALL CASE WHEN THEN END
    OVER PARTITION ORDER ROWS CAST DISTINCT VALUES NOT NULL IN EXISTS BETWEEN LIKE INTERVAL DAY
    ( ) , . * + - / % = < <> 1 2.5 0 'x' '' campaign user_id clicks impressions postal_code site
    impression_dt_utc dsp_clicks dsp_impressions conversions t.k SUM COUNT IF COALESCE LAG MIN
    UNNEST ARRAY [ ] COLLECT NAMED_ROW UUID DATE_TRUNC EXTRACT STR_TO_MAP EXPLODE PERCENTILE
    CUSTOM_PARAMETER BUILT_IN_PARAMETER EXTEND_TIME_WINDOW TIMESTAMP FILTER IGNORE NULLS
"""
_WORDS = _VOCABULARY.split()


@st.composite
def mutated(draw) -> str:
    text = draw(st.sampled_from(_SEEDS) | plans(1))
    words = re.findall(r"\w+|'[^']*'|\S", text)
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(words) - 1))
        other = draw(st.sampled_from(_WORDS))
        kept = draw(
            st.sampled_from([[], [other], words[place : place + 1] * 2, [other, words[place]]])
        )
        words[place : place + 1] = kept or ([] if len(words) > 1 else words)
    return " ".join(words)
