"""Tokens end in mid-run, grants are revoked: work waits, nothing is lost, a person is told."""

from tests.e2e.house import House, Place, eventually, states_of


def credential(house: House, place: Place):
    return house.get(f"/credentials/{place.credential_id}")


def test_a_token_that_dies_in_mid_run_is_renewed_and_the_run_goes_on(house: House, place: Place):
    workflow = house.workflow("duration 60")
    house.run_many(workflow, place, 3)
    eventually(lambda: states_of(house.all_of(workflow)), lambda found: "running" in found)

    house.simulator.fault("expire-token", place=place)
    found = house.all_ended(workflow, 3)

    assert states_of(found) == {"completed"}
    assert credential(house, place)["refresh_count"] >= 2
    assert house.simulator.stats(place)["executions_created"] == 3
    assert house.simulator.stats(place)["by_status"]["401"] >= 1


def test_a_rotated_refresh_token_is_kept(house: House, place: Place):
    house.simulator.switch(rotate_refresh_tokens=True)

    for _ in range(2):
        house.simulator.tell("expire-tokens")
        assert house.ended(house.run(house.workflow(), place))["status"] == "completed"

    assert credential(house, place)["status"] == "active"


def test_a_revoked_grant_holds_its_instances_until_somebody_authorises_again(
    house: House, place: Place
):
    workflow = house.workflow("duration 60")
    house.run_many(workflow, place, 2)
    eventually(lambda: states_of(house.all_of(workflow)), lambda found: "running" in found)

    house.simulator.tell("revoke", {"refresh_token": place.refresh_token})
    broken = eventually(lambda: credential(house, place), lambda it: it["status"] == "broken")
    waiting = house.shown(house.run(workflow, place))
    held = house.limits(place)
    fresh = place.refresh_token + "-again"
    house.simulator.tell("refresh-tokens", {"refresh_token": fresh})
    path = f"/credentials/{place.credential_id}/refresh_token"
    house.http.put(path, json={"refresh_token": fresh}).raise_for_status()
    found = house.all_ended(workflow, 3, within=40)

    assert "authorise again" in broken["broken_reason"].lower()
    assert (waiting["status"], waiting["waiting_for"]) == ("queued", "credential")
    assert held["credential_status"] == "broken"
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 3
    assert credential(house, place)["status"] == "active"


def test_login_out_of_order_for_a_while_is_waited_for(house: House):
    house.simulator.fault("503", count=2, path="/auth/o2/token")
    house.simulator.fault("malformed-json", path="/auth/o2/token")

    place = house.place()
    shown = house.ended(house.run(house.workflow(), place))

    assert shown["status"] == "completed"
    assert credential(house, place)["status"] == "active"
