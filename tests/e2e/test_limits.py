"""Amazon's limits hold over two replicas of everything, and no free place is left idle."""

from tests.e2e.house import House, states_of


def test_sixty_executions_on_three_instances_keep_every_limit(house: House):
    roomy = {"maxConcurrentExecutions": 50}
    wanted = [(3, 10), (4, 8), (5, 10)]
    first = house.place(
        at_amazon={**roomy, "requestsPerSecond": 10},
        max_concurrent_executions=3,
        max_requests_per_second=10,
    )
    places = [first] + [
        house.place(
            shares=first,
            at_amazon={**roomy, "requestsPerSecond": rate},
            max_concurrent_executions=places,
            max_requests_per_second=rate,
        )
        for places, rate in wanted[1:]
    ]
    workflow = house.workflow("duration 45")

    for each in places:
        house.run_many(workflow, each, 20)
    found = house.all_ended(workflow, 60, within=60)

    stats = [house.simulator.stats(each) for each in places]
    assert states_of(found) == {"completed"}
    assert [each["executions_created"] for each in stats] == [20, 20, 20]
    assert [each["workflows_created"] for each in stats] == [1, 1, 1]
    assert all(not any(each["throttled"].values()) for each in stats)
    assert all(
        each["peak_arrived_per_second"] <= rate
        for each, (_, rate) in zip(stats, wanted, strict=True)
    )
    assert [each["peak_active"] for each in stats] == [places for places, _ in wanted]


def test_an_accounts_limit_below_the_sum_of_its_instances_holds(house: House):
    first = house.place(account={"max_concurrent_executions": 3}, max_concurrent_executions=3)
    second = house.place(shares=first, max_concurrent_executions=3)
    workflow = house.workflow("duration 20")

    house.run_many(workflow, first, 6)
    house.run_many(workflow, second, 6)
    found = house.all_ended(workflow, 12)

    account = house.simulator.look("stats")["accounts"][first.entity_id]
    assert states_of(found) == {"completed"}
    assert account["peak_active"] == 3


def test_what_amc_will_not_take_for_now_waits_and_completes(house: House):
    """Our limit is above Amazon's own, which refuses: nothing fails, nothing is made twice."""
    house.simulator.switch(concurrency_mode="refuse", retry_after="1")
    place = house.place(at_amazon={"maxConcurrentExecutions": 1}, max_concurrent_executions=3)
    workflow = house.workflow("duration 20")

    house.run_many(workflow, place, 3)
    found = house.all_ended(workflow, 3)

    stats = house.simulator.stats(place)
    assert states_of(found) == {"completed"}
    assert (stats["executions_created"], stats["peak_active"]) == (3, 1)
    assert stats["throttled"]["concurrency"] > 0
