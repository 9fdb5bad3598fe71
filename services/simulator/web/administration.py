"""The administration API: accounts and instances, to read."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.clock import iso_seconds
from services.simulator.simulator import Simulator
from services.simulator.web.answers import answer
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token
from services.simulator.world import Account, Instance


@dataclass(frozen=True, slots=True)
class Administration:
    """/amc/accounts and /amc/instances."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        return [
            Route("/amc/accounts", self.list_accounts, methods=["GET"]),
            Route("/amc/instances", self.list_instances, methods=["GET"]),
            Route("/amc/instances/{instance_id}", self.get_instance, methods=["GET"]),
        ]

    async def list_accounts(self, request: Request) -> Response:
        """Every account the caller's grant may see; needs no account headers."""
        allowed = self.door.token(request).grant.accounts
        accounts = [
            _account(account)
            for entity, account in sorted(self.simulator.world.accounts.items())
            if allowed is None or entity in allowed
        ]
        return answer({"amcAccounts": accounts})

    async def list_instances(self, request: Request) -> Response:
        """The account's instances; the last page has nextToken null, unlike in reporting."""
        account = self.door.account(request)
        limit, after = page_limit(request), page_token(request) or ""
        found = sorted((i for i in account.instances if i.id > after), key=lambda i: i.id)
        page = found[:limit]
        more = next_token(page[-1].id) if len(found) > limit else None
        return answer({"instances": [_instance(i) for i in page], "nextToken": more})

    async def get_instance(self, request: Request) -> Response:
        return answer({"instance": _instance(self.door.instance(request))})


def _account(account: Account) -> dict[str, str]:
    entry = account.entry
    return {
        "accountId": entry.account_id,
        "accountName": entry.account_name,
        "marketplaceId": entry.marketplace_id,
    }


def _instance(instance: Instance) -> dict[str, object]:
    entry = instance.entry
    return {
        "advertiserTypes": ["DSP", "SPONSORED_ADS"],
        "apiEndpoint": "",
        "awsAccountId": "",
        "creationDatetime": iso_seconds(instance.created_at),
        "creationStatus": "COMPLETED",
        "customerCanonicalName": instance.account.entry.account_name,
        "dataUploadAwsAccountId": "000000000000",
        "entities": ["NA"],
        "instanceId": entry.instance_id,
        "instanceName": entry.instance_name,
        "instanceType": entry.type,
        "optionalDatasets": [],
        "s3BucketName": entry.s3_bucket_name,
        "s3BucketRegion": "us-east-1",
    }
