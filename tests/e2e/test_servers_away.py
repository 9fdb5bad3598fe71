"""Broker, database, AMC or workers go away and come back: what was accepted completes, once."""

from pathlib import Path
from signal import SIGKILL, SIGTERM

from tests.e2e.conftest import LOGS
from tests.e2e.house import House, Place, eventually, states_of

WORKERS = ("submitter", "poller", "downloader", "token_refresher", "scheduler")


def ready(house: House) -> tuple[int, dict]:
    answer = house.simulator.http.get(f"{house.stack.api_url}/readyz")
    return answer.status_code, answer.json()


def test_without_a_broker_requests_are_accepted_and_complete_afterwards(house: House, place: Place):
    workflow = house.workflow()
    before = house.run(workflow, place)
    house.reaches(before, "pending", "running")

    house.stack.found.rabbitmq.stop()
    try:
        accepted = house.run_many(workflow, place, 5)
        status, body = eventually(lambda: ready(house), lambda it: it[1]["broker"] != "connected")
        shown = house.shown(accepted[0])
    finally:
        house.stack.found.rabbitmq.launch()
        house.stack.found.rabbitmq.wait_ready()
    found = house.all_ended(workflow, 6, within=40)

    assert (status, body["ready"], body["broker"]) == (200, True, "disconnected")
    assert shown["status"] in {"queued", "submitting"}
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 6
    # Each process comes back by itself; the workers may have done it all before the API has.
    eventually(lambda: ready(house), lambda it: it[1]["broker"] == "connected")


def test_a_restart_of_the_database_is_survived_by_every_process(house: House, place: Place):
    workflow = house.workflow("duration 120")
    house.run_many(workflow, place, 6)
    eventually(lambda: states_of(house.all_of(workflow)), lambda found: "running" in found)
    restarts = house.stack.supervisor.restarts()

    house.stack.found.postgres.stop()
    try:
        answer = house.http.get("/executions")
        status, _ = ready(house)
    finally:
        house.stack.found.postgres.start()
    eventually(lambda: house.http.get("/executions").status_code, lambda code: code == 200)
    found = house.all_ended(workflow, 6, within=40)

    assert (answer.status_code, status) == (503, 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["retryable"]) == ("database_unavailable", True)
    assert "Retry-After" in answer.headers
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 6
    assert house.stack.supervisor.restarts() == restarts


def test_killing_every_worker_in_turn_loses_nothing_and_repeats_nothing(house: House):
    place = house.place(max_concurrent_executions=8)
    second = house.place(shares=place, max_concurrent_executions=8)
    workflow = house.workflow("duration 30", "rows 100")
    supervisor = house.stack.supervisor

    for each in (place, second):
        house.run_many(workflow, each, 20)
    done = 0
    for replica in (0, 1):
        for name in WORKERS:
            supervisor.send(name, SIGKILL, replica=replica)
            done = eventually(lambda: finished(house, workflow), lambda n, d=done: n > d or n == 40)
    found = house.all_ended(workflow, 40, within=60)

    made = [*house.simulator.executions(place), *house.simulator.executions(second)]
    assert states_of(found) == {"completed"}
    assert len(made) == 40
    assert {each["amc_execution_id"] for each in found} == {each["id"] for each in made}
    assert sum(each["row_count"] for each in found) == sum(
        house.rows_by_sql(each["id"]) for each in found
    )
    for name in WORKERS:
        for replica in (0, 1):
            supervisor.wait_ready(name, replica=replica)


def finished(house: House, workflow: str) -> int:
    return sum(each["status"] == "completed" for each in house.all_of(workflow))


def test_workers_told_to_stop_finish_what_they_have_and_exit_cleanly(house: House, place: Place):
    workflow = house.workflow("duration 20")
    before = {name: len(exits_of(name)) for name in WORKERS}
    house.run_many(workflow, place, 20)
    eventually(lambda: finished(house, workflow), lambda n: n >= 1)

    for name in WORKERS:
        house.stack.supervisor.send(name, SIGTERM)
    new = {
        name: eventually(lambda name=name: exits_of(name)[before[name] :], len) for name in WORKERS
    }
    found = house.all_ended(workflow, 20)

    assert new == {name: ["0"] for name in WORKERS}
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 20
    for name in WORKERS:
        house.stack.supervisor.wait_ready(name)


def exits_of(name: str) -> list[str]:
    """The exit codes of its processes so far, as the supervisor wrote them down."""
    lines = Path(LOGS / f"{name}.log").read_text().splitlines()
    return [line.rsplit(" ", 1)[1] for line in lines if line.startswith(f"supervisor: {name}[")]


def test_an_amc_that_cannot_be_connected_to_is_waited_for(house: House):
    """The simulator's memory goes with it, so nothing of this test is there before."""
    place = house.place()
    house.ended(house.run(house.workflow(), place))
    workflow = house.workflow()
    world = {
        "accounts": [{"accountId": place.entity_id, "marketplaceId": "ATVPDKIKX0DER"}],
        "instances": [{"instanceId": place.id, "accountId": place.entity_id}],
    }

    house.stack.supervisor.send("simulator", SIGKILL)
    house.run_many(workflow, place, 3)
    house.stack.supervisor.wait_ready("simulator")
    house.simulator.tell("refresh-tokens", {"refresh_token": place.refresh_token})
    house.simulator.tell("world", world)
    found = house.all_ended(workflow, 3, within=40)

    assert [(each["status"], each["error"]) for each in found] == [("completed", None)] * 3
    assert house.simulator.stats(place)["executions_created"] == 3
