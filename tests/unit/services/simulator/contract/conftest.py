"""An independent client: plain httpx, the headers of section 1.1, and nothing of ours."""

import pytest

SQL = "SELECT campaign, SUM(impressions) AS imps FROM dsp_impressions GROUP BY campaign"
PARAMETER = "SELECT COUNT(*) AS n FROM dsp_clicks WHERE site = CUSTOM_PARAMETER('p')"
ARRAY = {"type": "ARRAY", "elementDataType": "STRING"}
WINDOW = {
    "timeWindowType": "EXPLICIT",
    "timeWindowStart": "2026-08-01T00:00:00",
    "timeWindowEnd": "2026-08-08T00:00:00",
}


@pytest.fixture
def base(amc) -> str:
    """Where the reporting API of the first instance is."""
    return "/amc/reporting/amcsimnwus1"


@pytest.fixture
def client(amc):
    """Logged in, with the headers that every AMC call needs."""
    return amc.http


@pytest.fixture
def later(amc):
    """Lets time pass, and logs in again so that no token is too old."""

    def pass_(seconds: float) -> None:
        amc.clock.pass_(seconds)
        amc.log_in()

    return pass_


@pytest.fixture
async def unlimited(client):
    """No request rate: these tests are about other things."""
    await client.put("/_simulator/switches", json={"limits_enabled": False})


@pytest.fixture
def save(client, base, unlimited):
    """Saves a workflow, `wf` by default."""

    async def saving(workflow_id: str = "wf", sql: str = SQL, **members):
        body = {"workflowId": workflow_id, "sqlQuery": sql, **members}
        return await client.post(f"{base}/workflows", json=body)

    return saving


@pytest.fixture
def run(client, base, save):
    """Runs `wf`, which is saved if it is not there, and gives the answer."""

    async def running(**members):
        await save()
        body = {"workflowId": "wf", **members}
        return await client.post(f"{base}/workflowExecutions", json=body)

    return running


@pytest.fixture
def done(client, base, run, later):
    """Runs `wf` and gives the execution as it ended."""

    async def finishing(**members) -> dict:
        made = (await run(**members)).json()
        later(100_000)
        path = f"{base}/workflowExecutions/{made['workflowExecutionId']}"
        return (await client.get(path)).json()

    return finishing
