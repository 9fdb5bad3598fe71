"""Cancelling: at once where nothing was sent, by AMC's word alone where something was."""

from tests.e2e.house import AT_AMC, House, Place


def test_a_queued_execution_is_cancelled_without_amc_hearing_of_it(house: House, place: Place):
    house.post(f"/instances/{place.id}/pause", {"reason": "a test"})
    execution = house.run(house.workflow(), place)

    answer = house.post(f"/executions/{execution}/cancel")
    house.post(f"/instances/{place.id}/resume")

    assert answer["status"] == house.status(execution) == "cancelled"
    assert house.limits(place)["in_use"] == 0
    assert house.simulator.executions(place) == []


def test_an_execution_at_amc_is_cancelled_when_amc_says_so(house: House, place: Place):
    execution = house.run(house.workflow("duration 1200"), place)
    house.reaches(execution, "running")
    house.simulator.fault("slow:1", method="PUT", path="workflowExecutions/", place=place)

    asked = house.post(f"/executions/{execution}/cancel")
    (before,) = house.at_amazon(execution, place)
    shown = house.ended(execution)

    (made,) = house.at_amazon(execution, place)
    assert (asked["status"], before["status"]) == ("running", "RUNNING")
    assert (shown["status"], shown["amc_status"]) == ("cancelled", "CANCELLED")
    assert made["status"] == "CANCELLED"
    assert any(line.startswith("cancel_requested") for line in house.story(execution))
    assert house.limits(place)["in_use"] == 0


def test_a_cancel_that_amc_fails_to_answer_is_asked_again(house: House, place: Place):
    execution = house.run(house.workflow("duration 1200"), place)
    house.reaches(execution, *AT_AMC)
    house.simulator.fault("503", count=4, method="PUT", path="workflowExecutions/", place=place)

    house.post(f"/executions/{execution}/cancel")

    assert house.ended(execution)["status"] == "cancelled"
    assert house.at_amazon(execution, place)[0]["status"] == "CANCELLED"


def test_an_execution_whose_result_is_on_its_way_cannot_be_cancelled(house: House, place: Place):
    house.simulator.fault("slow:2", path="downloadUrls$", place=place)
    execution = house.run(house.workflow(), place)
    house.reaches(execution, "downloading")

    answer = house.http.post(f"/executions/{execution}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "finished_at_amc")
    assert house.ended(execution)["status"] == "completed"


def test_a_finished_execution_cannot_be_cancelled(house: House, place: Place):
    execution = house.ended(house.run(house.workflow(), place))["id"]

    answer = house.http.post(f"/executions/{execution}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")
    assert house.status(execution) == "completed"


def test_what_somebody_else_cancels_at_amc_fails_with_that_reason(house: House, place: Place):
    execution = house.run(house.workflow("duration 1200"), place)
    house.reaches(execution, *AT_AMC)

    house.at_amazon_by_hand(place).cancel(house.shown(execution)["amc_execution_id"])
    shown = house.ended(execution)

    assert (shown["status"], shown["error"]["code"]) == ("failed", "cancelled_elsewhere")
    assert shown["error"]["hint"]
