"""What a request carries, byte by byte, and where it does not go."""

from dataclasses import replace

import pytest

from shared.domain.errors import InDoubtError
from shared.domain.ids import AmcExecutionId, AmcWorkflowId, EntityId
from shared.security.secrets import AccessToken
from tests.integration.amc.rig import EXECUTION_ID, TOKEN, later, rig
from tests.integration.amc.wire import (
    EXECUTION_BODY,
    Reader,
    Wire,
    Writer,
    answer,
    answer_all,
    serving,
)


def test_redirects_and_proxies_are_not_followed(run, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def redirects(wire: Wire, reader: Reader, writer: Writer) -> None:
        while True:
            await wire.read_request(reader)
            writer.write(answer(b"", b"Location: /elsewhere", status=b"307 Temporary Redirect"))

    async def scenario() -> None:
        async with serving(redirects) as wire, rig(wire.base_url) as amc:
            with pytest.raises(InDoubtError):
                await amc.create()

            assert len(wire.requests) == 1

    run(scenario)


def test_what_the_server_sees_is_what_was_meant(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.client.create_workflow(
                amc.target,
                TOKEN,
                amc_workflow_id=AmcWorkflowId("wf/1"),
                sql_query="SELECT 'ä'",
                give_up_at=later(),
            )
            await amc.client.get_execution(
                amc.target, TOKEN, AmcExecutionId("a/b%c"), give_up_at=later()
            )

            assert b"\r\nAuthorization: Bearer Atza|token\r\n" in wire.requests[0]
            body = b'{"workflowId": "wf/1", "sqlQuery": "SELECT \'\\u00e4\'"}'
            assert wire.requests[0].endswith(b"\r\n\r\n" + body)
            assert wire.requests[1].startswith(
                b"GET /amc/reporting/amc1/workflowExecutions/a%2Fb%25c HTTP/1.1\r\n"
            )

    run(scenario)


def test_a_cookie_is_not_sent_back(run) -> None:
    async def sets_one(wire: Wire, reader: Reader, writer: Writer) -> None:
        while True:
            await wire.read_request(reader)
            writer.write(answer(EXECUTION_BODY, b"Set-Cookie: seen=1; Path=/"))

    async def scenario() -> None:
        async with serving(sets_one) as wire, rig(wire.base_url) as amc:
            await amc.create()
            await amc.create()

            assert b"ookie" not in wire.requests[1]

    run(scenario)


def test_each_call_carries_the_token_and_the_account_it_was_given(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            other = replace(amc.target, entity_id=EntityId("ENTITYOTHER"))
            for target, token in (
                (amc.target, TOKEN),
                (other, TOKEN),
                (amc.target, AccessToken("Atza|newer")),
                (amc.target, AccessToken("Atza|newest")),
            ):
                await amc.client.get_execution(target, token, EXECUTION_ID, give_up_at=later())

            tokens = [line_of(request, b"Authorization") for request in wire.requests]
            assert tokens == [
                b"Bearer Atza|token",
                b"Bearer Atza|token",
                b"Bearer Atza|newer",
                b"Bearer Atza|newest",
            ]
            accounts = [
                line_of(request, b"Amazon-Advertising-API-AdvertiserId")
                for request in wire.requests
            ]
            mine = amc.target.entity_id.encode()
            assert accounts == [mine, b"ENTITYOTHER", mine, mine]

    run(scenario)


def line_of(request: bytes, name: bytes) -> bytes:
    return request.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]
