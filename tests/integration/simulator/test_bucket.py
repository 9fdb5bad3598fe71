"""Results written to an S3-compatible store, read back by their pre-signed links alone."""

from collections.abc import Iterator

import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.integration.simulator.conftest import log_in
from tests.integration.simulator.test_process import SQL, create_workflow, finished, run


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.put(f"{url}/amc-results").raise_for_status()
    yield url
    server.stop()


def flags(endpoint: str) -> tuple[str, ...]:
    quick = ("--time-scale", "600", "--duration-profile", "fixed:1", "--part-bytes", "20000")
    return ("--s3-endpoint", endpoint, "--requests-per-second", "10000", *quick)


def links(amc: httpx.Client, execution_id: str) -> httpx.Response:
    return amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")


def test_files_are_in_the_bucket_and_whole(start, store):
    simulator = start(*flags(store))
    with log_in(simulator.url) as amc:
        execution_id = run(amc, create_workflow(amc, f"{SQL} -- simulator: rows 3000"))
        finished(amc, execution_id)
        answer = links(amc, execution_id).raise_for_status().json()

    parts = [httpx.get(url).raise_for_status() for url in answer["downloadUrls"]]
    metadata = httpx.get(answer["metadataDownloadUrls"][0]).raise_for_status().json()

    assert all(url.startswith(f"{store}/amc-results/") for url in answer["downloadUrls"])
    assert {"X-Amz-Signature", "X-Amz-Expires"} <= dict(parts[0].request.url.params).keys()
    assert len(parts) > 1
    assert sum(len(part.text.splitlines()) - 1 for part in parts) == 3000
    assert metadata["workflowExecutionId"] == execution_id


def test_a_store_that_is_away_is_500_in_amcs_form(start):
    simulator = start(*flags("http://127.0.0.1:9"))
    with log_in(simulator.url) as amc:
        execution_id = run(amc, create_workflow(amc))
        finished(amc, execution_id)

        answer = links(amc, execution_id)

    assert answer.status_code == 500
    assert answer.json() == {"code": "500", "details": "The result store is not available."}
