"""Profiles of faults, their replay, and the faults that spoil lists and files."""

import pytest

from services.simulator.profiles import PROFILES


async def fault(amc, name: str, **rule) -> None:
    answer = await amc.http.post("/_simulator/faults", json={"fault": name, **rule})
    assert answer.status_code == 200, answer.text


async def put_profile(amc, name: str):
    return await amc.http.put("/_simulator/profile", json={"profile": name})


async def link(amc) -> str:
    execution_id = await amc.started()
    await amc.finished(execution_id)
    answer = (await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")).json()
    del amc.http.headers["authorization"]
    return answer["downloadUrls"][0]


@pytest.mark.parametrize("name", list(PROFILES))
async def test_every_profile_can_be_chosen_and_left(amc, name):
    before = (await amc.http.get("/_simulator/switches")).json()

    assert (await put_profile(amc, name)).json() == {"profile": name}
    during = (await amc.http.get("/_simulator/switches")).json()
    rules = (await amc.http.get("/_simulator/faults")).json()["faults"]
    await put_profile(amc, "calm")

    assert {key: during[key] for key in PROFILES[name].switches} == PROFILES[name].switches
    assert len(rules) == len(PROFILES[name].rules)
    assert (await amc.http.get("/_simulator/switches")).json() == before
    assert (await amc.http.get("/_simulator/faults")).json() == {"faults": []}


async def test_a_profile_leaves_alone_what_was_changed_after_it(amc):
    await put_profile(amc, "strict")
    await amc.http.put("/_simulator/switches", json={"requests_per_second": 77})
    await put_profile(amc, "calm")

    switches = (await amc.http.get("/_simulator/switches")).json()
    assert (switches["requests_per_second"], switches["concurrency_mode"]) == (77, "queue")


async def test_rules_of_a_test_come_before_those_of_the_profile(amc):
    await put_profile(amc, "flaky")
    await fault(amc, "503")

    assert (await amc.get("/workflows")).status_code == 503


async def test_clearing_the_faults_makes_it_calm(amc):
    await put_profile(amc, "hostile")
    await amc.http.delete("/_simulator/faults")

    assert (await amc.http.get("/_simulator/profile")).json() == {"profile": "calm"}
    assert (await amc.http.get("/_simulator/switches")).json()["list_lag_seconds"] == 0


def test_the_profile_can_be_a_flag(make_simulator):
    assert len(make_simulator(fault_profile="flaky").faults.active) == len(PROFILES["flaky"].rules)


async def struck(amc, number: int = 60) -> list[int]:
    amc.pace = 0.3
    return [(await amc.get("/workflows")).status_code for _ in range(number)]


async def test_a_failure_can_be_replayed(amc):
    await fault(amc, "500", count=None, probability=0.3)
    first = await struck(amc)
    await amc.http.post("/_simulator/faults/replay", json={})
    again = await struck(amc)
    await amc.http.post("/_simulator/faults/replay", json={"seed": 99})
    other = await struck(amc)

    assert first == again
    assert first != other
    assert 5 < first.count(500) < 40


async def test_other_rules_and_requests_do_not_change_a_replay(amc):
    await fault(amc, "500", match={"path_regex": "workflows$"}, count=None, probability=0.3)
    first = await struck(amc)
    await amc.http.post("/_simulator/faults/replay")
    await fault(amc, "502", match={"path_regex": "dataSources$"}, count=None, probability=0.5)
    again = []
    for _ in range(60):
        await amc.get("/dataSources?limit=1")
        again.append((await amc.get("/workflows")).status_code)

    assert first == again


async def test_a_duplicated_page_comes_again_and_the_list_still_ends(amc):
    for number in range(5):
        await amc.save(f"wf{number}")
    await fault(amc, "duplicate-page", match={"path_regex": "workflows$"}, count=2)
    token, pages = "", []
    while token is not None:
        page = (await amc.get(f"/workflows?limit=2&nextToken={token}")).json()
        pages.append([workflow["workflowId"] for workflow in page["workflows"]])
        token = page.get("nextToken")

    assert pages == [["wf0", "wf1"], ["wf0", "wf1"], ["wf2", "wf3"], ["wf4"]]


async def test_lists_can_lag_behind(amc):
    await amc.http.put("/_simulator/switches", json={"list_lag_seconds": 5})
    execution_id = await amc.started()
    path = "/workflowExecutions?workflowId=wf0"

    async def listed() -> list[str]:
        executions = (await amc.get(path)).json()["executions"]
        return [execution["status"] for execution in executions]

    seen = [await listed()]
    for seconds in (5, 4, 53, 6):
        amc.clock.pass_(seconds)
        seen.append(await listed())

    assert seen == [[], ["PENDING"], ["RUNNING"], ["RUNNING"], ["SUCCEEDED"]]
    assert (await amc.look(execution_id))["status"] == "SUCCEEDED"


async def test_a_corrupt_file_has_its_length_and_is_no_text(amc):
    url = await link(amc)
    await fault(amc, "corrupt")

    spoiled, whole = await amc.http.get(url), await amc.http.get(url)

    assert len(spoiled.content) == len(whole.content)
    assert spoiled.content != whole.content
    with pytest.raises(UnicodeDecodeError):
        spoiled.content.decode("utf-8")


async def test_a_short_body_states_what_it_has(amc):
    url = await link(amc)
    await fault(amc, "short-body")

    short, whole = await amc.http.get(url), await amc.http.get(url)

    assert short.content == whole.content[: len(whole.content) // 2]
    assert int(short.headers["content-length"]) == len(short.content)


@pytest.mark.parametrize("body", [{"profile": "wild"}, {}, {"profile": "calm", "more": 1}, []])
async def test_a_bad_profile_is_refused(amc, body):
    assert (await amc.http.put("/_simulator/profile", json=body)).status_code == 400
