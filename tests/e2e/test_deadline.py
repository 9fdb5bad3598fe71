"""An execution that AMC does not finish in time is cancelled there and fails with that reason.

The shortest deadline is a minute, so it is asked for when the session begins and looked at late.
"""

from tests.e2e.house import House, Overdue


def test_a_passed_deadline_is_cancelled_at_amc_and_told(house: House, overdue: Overdue):
    shown = house.ended(overdue.execution, within=80)
    house.post(f"/executions/{overdue.in_its_way}/cancel")

    (made,) = house.at_amazon(overdue.execution, overdue.place)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "deadline_exceeded")
    assert "60 s" in shown["error"]["message"]
    assert "deadline_seconds" in shown["error"]["hint"]
    assert made["status"] == "CANCELLED"
    assert any("deadline_passed" in line for line in house.story(overdue.execution))
    assert house.ended(overdue.in_its_way)["status"] == "cancelled"
