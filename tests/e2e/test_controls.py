"""What operators and owners set takes effect at once: pauses, limits, quotas, times."""

from tests.e2e.house import FINAL, House, Place, eventually, states_of


def test_a_paused_instance_starts_nothing_and_resumes_everything(house: House, place: Place):
    workflow = house.workflow()
    house.post(f"/instances/{place.id}/pause", {"reason": "maintenance"})
    ids = house.run_many(workflow, place, 3)

    waiting = house.shown(ids[0])
    before = house.simulator.executions(place)
    house.post(f"/instances/{place.id}/resume")
    found = house.all_ended(workflow, 3)

    assert (waiting["status"], waiting["waiting_for"]) == ("queued", "paused")
    assert before == []
    assert states_of(found) == {"completed"}


def test_what_runs_when_an_instance_is_paused_ends_as_usual(house: House, place: Place):
    execution = house.run(house.workflow("duration 60"), place)
    house.reaches(execution, "running")

    house.post(f"/instances/{place.id}/pause")

    assert house.ended(execution)["status"] == "completed"


def test_a_raised_limit_lets_waiting_executions_start_at_once(house: House):
    place = house.place(max_concurrent_executions=1)
    workflow = house.workflow("duration 60")
    house.run_many(workflow, place, 4)
    before = house.limits(place)

    house.http.patch(f"/instances/{place.id}", json={"max_concurrent_executions": 4})
    after = house.limits(place)
    found = house.all_ended(workflow, 4)

    assert (before["in_use"], before["queued"]) == (1, 3)
    assert (after["in_use"], after["queued"]) == (4, 0)
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["peak_active"] == 4


def test_a_lowered_limit_lets_nothing_start_above_it(house: House):
    place = house.place(max_concurrent_executions=3)
    workflow = house.workflow("duration 30")
    house.run_many(workflow, place, 5)
    eventually(lambda: house.simulator.stats(place), lambda seen: seen["active_now"] == 3)

    house.http.patch(f"/instances/{place.id}", json={"max_concurrent_executions": 1})
    found = sorted(house.all_ended(workflow, 5), key=lambda each: each["admitted_at"])

    assert states_of(found) == {"completed"}
    assert found[3]["admitted_at"] >= max(each["remote_finished_at"] for each in found[:3])
    assert found[4]["admitted_at"] >= found[3]["remote_finished_at"]


def test_higher_priority_goes_first(house: House):
    place = house.place(max_concurrent_executions=1)
    workflow = house.workflow("duration 10")
    house.post(f"/instances/{place.id}/pause")
    low, normal, high = (house.run(workflow, place, priority=n) for n in (0, 5, 9))

    house.post(f"/instances/{place.id}/resume")
    found = {each["id"]: each["admitted_at"] for each in house.all_ended(workflow, 3)}

    assert sorted((low, normal, high), key=found.get) == [high, normal, low]


def test_an_execution_that_waits_too_long_fails_with_queue_timeout(house: House, place: Place):
    house.post(f"/instances/{place.id}/pause")

    shown = house.ended(house.run(house.workflow(), place, queue_timeout_seconds=1))

    assert (shown["status"], shown["error"]["code"]) == ("failed", "queue_timeout")
    assert "queue_timeout_seconds" in shown["error"]["hint"]
    assert house.simulator.executions(place) == []


def test_a_used_up_quota_holds_the_rest_until_it_is_raised(house: House):
    place = house.place(daily_execution_quota=2)
    workflow = house.workflow()
    house.run_many(workflow, place, 4)
    ended = eventually(
        lambda: house.all_of(workflow),
        lambda found: sum(each["status"] in FINAL for each in found) == 2,
    )
    held = [house.shown(each["id"]) for each in ended if each["status"] == "queued"]
    limits = house.limits(place)

    house.http.patch(f"/instances/{place.id}", json={"daily_execution_quota": None})
    found = house.all_ended(workflow, 4)

    assert [each["waiting_for"] for each in held] == ["quota", "quota"]
    assert (limits["quota_left"], limits["in_use"]) == (0, 0)
    assert states_of(found) == {"completed"}
