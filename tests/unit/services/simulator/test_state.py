"""State that outlives its process: what was told is still true after a restart."""

import sqlite3

import httpx
import pytest

from services.simulator.state.keeper import Keeper
from tests.unit.services.simulator.conftest import SQL, Amc, account_of, client_of


@pytest.fixture
def start(make_simulator, clock, tmp_path):
    """Starts a simulator on the same file; the one before is left as a crash leaves it."""
    keepers = []

    def starting(**settings) -> Amc:
        if keepers:
            keepers[-1]._store.close()
        simulator = make_simulator(**settings)
        simulator.keeper = Keeper(simulator, tmp_path / "state")
        keepers.append(simulator.keeper)
        return Amc(client_of(simulator, account_of(simulator)), simulator, clock, pace=0.11)

    yield starting
    for keeper in keepers:
        keeper._store.close()


async def logged_in(amc: Amc) -> str:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|sim-default",
        "client_id": amc.simulator.settings.client_id,
        "client_secret": amc.simulator.settings.client_secret.get_secret_value(),
    }
    token = (await amc.http.post("/auth/o2/token", data=form)).json()["access_token"]
    amc.http.headers["authorization"] = f"Bearer {token}"
    return token


async def restarted(start, amc: Amc) -> Amc:
    """The next process, asked with the token of the one before."""
    again = start()
    again.http.headers["authorization"] = amc.http.headers["authorization"]
    return again


async def test_executions_go_on_where_they_were(start):
    amc = start()
    await logged_in(amc)
    execution_id = await amc.started()
    amc.clock.pass_(3)
    before = await amc.look(execution_id)

    again = await restarted(start, amc)
    running = await again.look(execution_id)
    again.clock.pass_(60)
    done = await again.look(execution_id)

    assert before == running
    assert (running["status"], done["status"]) == ("RUNNING", "SUCCEEDED")
    assert done["validatedTime"] == before["validatedTime"]


async def test_what_ended_while_it_was_away_has_ended_at_its_time(start):
    amc = start()
    await logged_in(amc)
    made = [await amc.started() for _ in range(12)]
    amc.clock.pass_(3)
    await amc.look(made[0])

    amc.clock.pass_(600)
    again = await restarted(start, amc)
    shown = [await again.look(execution_id) for execution_id in made]

    assert {execution["status"] for execution in shown} == {"SUCCEEDED"}
    instance = again.simulator.world.instances["amcsimnwus1"]
    first, eleventh = instance.executions[0], instance.executions[10]
    assert eleventh.started_at == first.finished_at
    assert instance.active == instance.running == 0


async def test_links_rows_and_cancellations_are_the_same(start):
    amc = start()
    await logged_in(amc)
    execution_id, cancelled = await amc.started(), await amc.started()
    await amc.call("PUT", f"/workflowExecutions/{cancelled}", {"status": "CANCELLED"})
    amc.clock.pass_(70)
    links = (await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")).json()
    (url,) = links["downloadUrls"]
    content = (await httpx.AsyncClient(transport=amc.http._transport).get(url)).content

    again = await restarted(start, amc)

    other = httpx.AsyncClient(transport=again.http._transport)
    assert (await other.get(url)).content == content
    assert (await again.look(cancelled))["status"] == "CANCELLED"


async def test_workflows_schedules_advertisers_and_instances_are_kept(start):
    amc = start()
    await logged_in(amc)
    for name in ("kept", "gone"):
        await amc.save(name)
    await amc.call("DELETE", "/workflows/gone")
    await amc.call("PUT", "/workflows/kept", {"sqlQuery": f"{SQL} -- second"})
    schedule = {"scheduleId": "s", "workflowId": "kept", "aggregationPeriod": "Daily"}
    await amc.call("POST", "/schedules", schedule)
    body = {"advertisersToAdd": [{"id": "1", "type": "DISPLAY"}]}
    await amc.http.post("/amc/instances/amcsimnwus1/advertisers/updates", json=body)
    made = await amc.http.post("/amc/instances", json={"instanceName": "New one"})
    await amc.http.delete("/amc/instances/amcsimnwus2")
    paths = ["/workflows", "/schedules", "/workflows/kept"]
    before = [(await amc.get(path)).json() for path in paths]

    again = await restarted(start, amc)

    assert [(await again.get(path)).json() for path in paths] == before
    ids = set(again.simulator.world.instances)
    assert ids == {"amcsimnwus1", "amcsimthde1", made.json()["instance"]["instanceId"]}
    update = await again.http.get("/amc/instances/amcsimnwus1/advertisers/updates/1")
    assert update.json()["advertiserUpdate"]["status"] == "PENDING"


async def test_tokens_live_on_and_a_revoked_grant_stays_revoked(start):
    amc = start()
    token = await logged_in(amc)
    registered = {"refresh_token": "Atzr|sim-other"}
    await amc.http.post("/_simulator/refresh-tokens", json=registered)
    await amc.http.post("/_simulator/revoke", json=registered)
    code = (await amc.http.post("/_simulator/authorization-codes")).json()["code"]

    tokens = (await restarted(start, amc)).simulator.tokens

    assert tokens.access(token) is not None
    assert tokens.grant("Atzr|sim-default") is not None
    assert tokens.grant("Atzr|sim-other") is None
    assert tokens.redeem(code, "https://any.example/", "") is not None


async def test_switches_and_profile_are_kept_unless_the_start_says_otherwise(start):
    amc = start()
    await amc.http.put("/_simulator/profile", json={"profile": "strict"})
    switches = {"expired_token_status": 403, "max_concurrent_executions": 3}
    await amc.http.put("/_simulator/switches", json=switches)
    before = amc.simulator.switches

    again = start()
    assert again.simulator.switches == before
    assert again.simulator.profile == "strict"
    other = start(max_concurrent_executions=20)
    assert other.simulator.switches.max_concurrent_executions == 20
    assert other.simulator.switches.expired_token_status == 403
    await other.http.put("/_simulator/profile", json={"profile": "calm"})
    assert other.simulator.switches.concurrency_mode == "queue"


async def test_a_profile_that_the_start_newly_names_is_taken(start):
    amc = start()
    await amc.http.post("/_simulator/faults", json={"fault": "500", "count": None})

    simulator = start(fault_profile="hostile").simulator

    assert simulator.profile == "hostile"
    assert simulator.switches.list_lag_seconds == 10
    assert [fault.of_profile for fault in simulator.faults.active][:2] == [False, True]


async def test_faults_strike_on_as_if_there_had_been_no_restart(start, make_simulator, clock):
    rule = {"fault": "slow:0", "probability": 0.5, "count": None}
    amc, whole = start(), make_simulator()
    unbroken = Amc(client_of(whole), whole, clock)
    for client in (amc, unbroken):
        await client.http.post("/_simulator/faults", json={**rule, "count": 5})
        await client.http.post("/_simulator/faults", json=rule)

    async def struck(client: Amc, number: int) -> list[str | None]:
        for _ in range(number):
            await client.http.get("/v2/profiles")
        clock.pass_(1)
        await client.http.get("/_simulator/health")
        entries = (await client.http.get("/_simulator/journal")).json()["entries"]
        return [entry["fault"] for entry in entries]

    first = await struck(amc, 9)
    second = await struck(start(), 20)

    assert second == await struck(unbroken, 29)
    assert second[:9] == first
    assert {"slow:0", None} == set(second)


async def test_a_fault_that_is_used_up_stays_so_after_a_crash(start):
    amc = start()
    await amc.http.post("/_simulator/faults", json={"fault": "500"})
    assert (await amc.http.get("/v2/profiles")).status_code == 500

    again = start()

    assert (await again.http.get("/v2/profiles")).status_code == 401


async def test_counters_and_journal_go_on(start):
    amc = start(journal_size=30)
    await logged_in(amc)
    for _ in range(3):
        await amc.started()
    await amc.http.post("/auth/o2/token", data={})
    for _ in range(25):
        await amc.get("/workflows")
    amc.clock.pass_(1)
    before = (await amc.http.get("/_simulator/stats")).json()
    journal = (await amc.http.get("/_simulator/journal")).json()

    again = await restarted(lambda: start(journal_size=30), amc)

    assert (await again.http.get("/_simulator/stats")).json() == before
    assert (await again.http.get("/_simulator/journal")).json() == journal
    assert len(journal["entries"]) == 30
    await again.get("/workflows")
    (newest,) = again.simulator.journal.newest(1)
    assert newest["seq"] == journal["entries"][-1]["seq"] + 1
    again.clock.pass_(1)
    await again.get("/workflows")
    assert len(again.simulator.keeper._store.journal()) == 30


async def test_an_orderly_end_writes_what_the_last_second_brought(start):
    amc = start()
    await logged_in(amc)
    await amc.get("/workflows")
    before = [(await amc.http.get(f"/_simulator/{name}")).json() for name in ("stats", "journal")]
    amc.simulator.keeper.close()

    again = start()

    after = [(await again.http.get(f"/_simulator/{name}")).json() for name in ("stats", "journal")]
    assert after == before


async def test_a_deleted_instance_takes_its_rows_along(start, tmp_path):
    amc = start()
    await logged_in(amc)
    await amc.started()
    await amc.http.delete("/amc/instances/amcsimnwus1")

    await restarted(start, amc)

    amc.simulator.keeper._store.close()
    again = start()
    assert list(again.simulator.keeper._store.executions()) == []
    assert list(again.simulator.keeper._store.workflows()) == []


def test_a_file_of_something_else_is_refused(make_simulator, tmp_path):
    (tmp_path / "state").write_text("not a database, and long enough to be looked at as one")

    with pytest.raises(ValueError, match="state file"):
        Keeper(make_simulator(), tmp_path / "state")


def test_a_file_of_another_version_is_refused(make_simulator, tmp_path):
    with sqlite3.connect(tmp_path / "state") as database:
        database.execute("pragma user_version = 99")
    database.close()

    with pytest.raises(ValueError, match="another version"):
        Keeper(make_simulator(), tmp_path / "state")


def test_a_file_has_one_simulator_at_a_time(start, make_simulator, tmp_path):
    start()

    with pytest.raises(ValueError, match="locked"):
        Keeper(make_simulator(), tmp_path / "state")
