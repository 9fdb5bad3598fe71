"""Amazon's limits hold over two replicas of everything, and no free place is left idle.

Three crowds run side by side on instances of their own, and all of them share the workers.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.house import House, Place, states_of

LIMITS = ((3, 10), (4, 8), (5, 10))
"""Executions at once and requests per second of three instances; AMC itself has room for more."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many executions of one workflow on some instances."""

    places: list[Place]
    found: list[dict[str, Any]]
    stats: list[dict[str, Any]]


@pytest.fixture(scope="module")
def crowds(session_house: House) -> dict[str, Crowd]:
    house = session_house
    house.simulator.switch(concurrency_mode="refuse", retry_after="1")
    groups = {"sixty": limited(house), "account": sharing(house), "refused": [smaller(house)]}
    sizes = {"sixty": 20, "account": 6, "refused": 3}
    workflows = {name: house.workflow("duration 45") for name in groups}
    for name, places in groups.items():
        for place in places:
            house.run_many(workflows[name], place, sizes[name])

    def crowd(name: str) -> Crowd:
        count = sizes[name] * len(groups[name])
        found = house.all_ended(workflows[name], count, within=60)
        return Crowd(groups[name], found, [house.simulator.stats(each) for each in groups[name]])

    return {name: crowd(name) for name in groups}


def limited(house: House) -> list[Place]:
    first = house.place()
    return [
        house.place(
            shares=first,
            at_amazon={"maxConcurrentExecutions": 50, "requestsPerSecond": rate},
            max_concurrent_executions=places,
            max_requests_per_second=rate,
        )
        for places, rate in LIMITS
    ]


def sharing(house: House) -> list[Place]:
    """Three places each, three for the account they share."""
    first = house.place(account={"max_concurrent_executions": 3}, max_concurrent_executions=3)
    return [first, house.place(shares=first, max_concurrent_executions=3)]


def smaller(house: House) -> Place:
    """An instance that takes less than we believe."""
    return house.place(at_amazon={"maxConcurrentExecutions": 1}, max_concurrent_executions=3)


def test_sixty_executions_on_three_instances_are_made_once_and_complete(crowds: dict[str, Crowd]):
    crowd = crowds["sixty"]

    assert states_of(crowd.found) == {"completed"}
    assert [each["executions_created"] for each in crowd.stats] == [20, 20, 20]
    assert [each["workflows_created"] for each in crowd.stats] == [1, 1, 1]


def test_no_second_has_more_requests_than_allowed_and_none_is_throttled(crowds: dict[str, Crowd]):
    crowd = crowds["sixty"]

    pairs = zip(crowd.stats, LIMITS, strict=True)
    assert all(seen["peak_arrived_per_second"] <= rate for seen, (_, rate) in pairs)
    assert not any(sum(each["throttled"].values()) for each in crowd.stats)


def test_every_place_is_used_and_never_one_more(crowds: dict[str, Crowd]):
    crowd = crowds["sixty"]

    assert [each["peak_active"] for each in crowd.stats] == [places for places, _ in LIMITS]


def test_an_accounts_limit_below_the_sum_of_its_instances_holds(
    house: House, crowds: dict[str, Crowd]
):
    crowd = crowds["account"]

    account = house.simulator.look("stats")["accounts"][crowd.places[0].entity_id]
    assert states_of(crowd.found) == {"completed"}
    assert account["peak_active"] == 3


def test_what_amc_will_not_take_for_now_waits_and_completes(crowds: dict[str, Crowd]):
    """Our limit is above Amazon's own, which refuses: nothing fails, nothing is made twice."""
    crowd = crowds["refused"]

    (seen,) = crowd.stats
    assert states_of(crowd.found) == {"completed"}
    assert (seen["executions_created"], seen["peak_active"]) == (3, 1)
    assert seen["throttled"]["concurrency"] > 0
