"""Schedules fire at their hours, once each, and not in a flood after a restart."""

import pytest

from services.simulator.clock import moment
from services.simulator.state.keeper import Keeper
from tests.unit.services.simulator.conftest import START, Amc, account_of, client_of

DAY = 86_400
# START is 2026-09-21, a Monday, at 14:13:20.
DAILY = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}
AT_15 = {**DAILY, "aggregationHourUtc": 15}


async def schedule(amc: Amc, **members) -> None:
    await amc.save()
    answer = await amc.call("POST", "/schedules", {**AT_15, **members})
    assert answer.status_code == 200, answer.text


async def fired(amc: Amc) -> list[dict]:
    """What there is of `wf`, the oldest first."""
    amc.log_in()
    found = await amc.get("/workflowExecutions?workflowId=wf&sortAscending=true")
    return found.json()["executions"]


def made(executions: list[dict]) -> list[str]:
    return [execution["createTime"] for execution in executions]


async def test_a_daily_schedule_fires_six_hours_after_its_hour_for_the_day_before_it(amc):
    await schedule(amc)
    amc.clock.pass_(7 * 3600 - 120 * 60)
    before = await fired(amc)
    amc.clock.pass_(2 * 3600)

    (execution,) = await fired(amc)

    assert moment(START).weekday() == 0
    assert before == []
    assert execution["createTime"] == "2026-09-21T21:00:00Z"
    assert execution["executionCategory"] == "SCHEDULED"
    window = (execution["timeWindowStart"], execution["timeWindowEnd"])
    assert window == ("2026-09-20T15:00:00Z", "2026-09-21T15:00:00Z")
    assert "/workflow=wf/schedule=daily/2026-09-21-wf" in execution["outputS3URI"]


async def test_a_weekly_schedule_fires_on_its_day_for_the_week_before_it(amc):
    await schedule(amc, aggregationPeriod="Weekly", aggregationStartDay="Thursday")
    amc.clock.pass_(14 * DAY)

    first, second = await fired(amc)

    assert made([first, second]) == ["2026-09-24T21:00:00Z", "2026-10-01T21:00:00Z"]
    window = (first["timeWindowStart"], first["timeWindowEnd"])
    assert window == ("2026-09-17T15:00:00Z", "2026-09-24T15:00:00Z")
    assert "/schedule=weekly/" in first["outputS3URI"]


async def test_an_hour_that_is_over_waits_for_the_next_day(amc):
    await schedule(amc, aggregationHourUtc=14)
    amc.clock.pass_(DAY)

    assert made(await fired(amc)) == []


async def test_every_hour_fires_at_its_own_time_however_late_somebody_looks(amc):
    await schedule(amc)
    amc.clock.pass_(3 * DAY)

    executions = await fired(amc)

    assert made(executions) == [f"2026-09-{day}T21:00:00Z" for day in (21, 22, 23)]
    assert {execution["status"] for execution in executions} == {"SUCCEEDED"}


async def test_what_is_disabled_deleted_or_replaced_does_not_fire(amc):
    await schedule(amc, scheduleEnabled="False")
    await schedule(amc, scheduleId="gone")
    await schedule(amc, scheduleId="later")
    await amc.call("DELETE", "/schedules/gone")
    await amc.call("PUT", "/schedules/later", {**DAILY, "aggregationHourUtc": 23})
    amc.clock.pass_(2 * DAY)

    assert made(await fired(amc)) == ["2026-09-22T05:00:00Z", "2026-09-23T05:00:00Z"]


async def test_the_delay_is_in_amc_seconds_and_a_switch(make_simulator, amc_of):
    amc = amc_of(make_simulator(time_scale=60))
    await schedule(amc)
    amc.clock.pass_(DAY)
    scaled = made(await fired(amc))
    await amc.http.put("/_simulator/switches", json={"schedule_delay_seconds": 0})
    await amc.call("PUT", "/schedules/s", AT_15)
    amc.clock.pass_(DAY)

    assert scaled == ["2026-09-21T15:06:00Z"]
    assert made(await fired(amc)) == [*scaled, "2026-09-22T15:00:00Z"]


async def test_a_deleted_instance_takes_its_schedules_along(amc):
    await schedule(amc)
    await amc.http.delete(f"/amc/instances/{amc.instance_id}")
    amc.clock.pass_(2 * DAY)

    answer = await amc.http.get("/_simulator/schedules")

    assert answer.json() == {"schedules": []}
    assert (await amc.http.get("/_simulator/executions")).json()["total"] == 0


async def test_scheduled_executions_wait_for_a_place_and_are_no_ad_hoc_runs(amc):
    switches = {"concurrency_mode": "refuse", "adhoc_runs_per_day": 1}
    await amc.http.put("/_simulator/switches", json=switches)
    await schedule(amc)
    await schedule(amc, scheduleId="t")
    assert (await amc.run()).status_code == 200
    amc.clock.pass_(DAY)

    assert len(await fired(amc)) == 3


async def test_why_a_firing_made_no_execution_is_told(amc):
    sql = "SELECT COUNT(*) AS n FROM dsp_clicks WHERE campaign = CUSTOM_PARAMETER('c')"
    await amc.save("wf", sql, inputParameters=[{"name": "c", "dataType": "STRING"}])
    await amc.call("POST", "/schedules", AT_15)
    amc.clock.pass_(DAY)
    await amc.http.get("/_simulator/health")

    (shown,) = (await amc.http.get("/_simulator/schedules")).json()["schedules"]

    assert shown == {
        "instance_id": "amcsimnwus1",
        "schedule_id": "s",
        "workflow_id": "wf",
        "next": "2026-09-22T15:00:00Z",
        "fired": "2026-09-21T21:00:00Z",
        "refusal": "No value was provided for parameter c.",
    }


async def test_a_schedule_can_be_fired_by_hand(amc):
    await schedule(amc)
    wanted = {"instance_id": amc.instance_id, "schedule_id": "s"}

    answer = await amc.http.post("/_simulator/schedules/fire", json=wanted)
    absent = await amc.http.post("/_simulator/schedules/fire", json={**wanted, "schedule_id": "x"})

    assert answer.json()["next"] == "2026-09-21T15:00:00Z"
    assert absent.status_code == 404
    (execution,) = await fired(amc)
    assert execution["timeWindowEnd"] == "2026-09-20T15:00:00Z"


@pytest.fixture
def amc_of(clock):
    """A client of a simulator that was built by hand."""

    def logged_in(simulator) -> Amc:
        amc = Amc(client_of(simulator, account_of(simulator)), simulator, clock)
        amc.log_in()
        return amc

    return logged_in


@pytest.fixture
def start(make_simulator, amc_of, tmp_path):
    """Starts a simulator on the same file; the one before is left as a crash leaves it."""
    keepers: list[Keeper] = []

    def starting() -> Amc:
        if keepers:
            keepers[-1]._store.close()
        simulator = make_simulator()
        simulator.keeper = Keeper(simulator, tmp_path / "state")
        keepers.append(simulator.keeper)
        return amc_of(simulator)

    yield starting
    keepers[-1]._store.close()


async def test_a_restart_fires_nothing_twice(start):
    amc = start()
    await schedule(amc)
    amc.clock.pass_(DAY)
    # Only this look, which changes nothing of its own, saw the firing.
    await amc.http.get("/_simulator/health")

    again = start()

    assert made(await fired(again)) == ["2026-09-21T21:00:00Z"]
    again.clock.pass_(DAY)
    assert made(await fired(again)) == ["2026-09-21T21:00:00Z", "2026-09-22T21:00:00Z"]


async def test_of_the_hours_that_a_restart_missed_only_the_last_fires(start):
    amc = start()
    await schedule(amc)
    await schedule(amc, scheduleId="t", scheduleEnabled=False)

    amc.clock.pass_(30 * DAY)
    again = start()

    (execution,) = await fired(again)
    assert execution["createTime"] == "2026-10-20T21:00:00Z"
    again.clock.pass_(DAY)
    assert len(await fired(again)) == 2


async def test_two_applications_over_one_simulator_fire_once(amc, amc_of):
    await schedule(amc)
    other = amc_of(amc.simulator)
    amc.clock.pass_(2 * DAY)

    assert made(await fired(other)) == ["2026-09-21T21:00:00Z", "2026-09-22T21:00:00Z"]


async def test_a_restart_within_the_delay_keeps_the_time(start):
    amc = start()
    await schedule(amc)
    amc.clock.pass_(2 * 3600)

    again = start()
    again.clock.pass_(DAY / 2)

    assert made(await fired(again)) == ["2026-09-21T21:00:00Z"]
    shown = (await again.http.get("/_simulator/schedules")).json()["schedules"]
    assert [entry["fired"] for entry in shown] == ["2026-09-21T21:00:00Z"]
