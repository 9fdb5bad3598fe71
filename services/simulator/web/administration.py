"""The administration API: accounts, and the life of instances."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.advertisers import advertisers_at
from services.simulator.bodies import read_body
from services.simulator.clock import iso_seconds
from services.simulator.creation import (
    AwsAccountChange,
    Creation,
    InstanceChange,
    InstanceRequest,
    new_instance_id,
)
from services.simulator.execution import ACTIVE
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.web.answers import OCTETS, answer
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token
from services.simulator.world import Account, Instance, InstanceEntry, WorldDocument

_MOST_INSTANCES = 4000
_REGION = "us-east-1"
_CONSOLE = "https://console.aws.amazon.com/cloudformation/home"
_API = "https://advertising-api.amazon.com"
_STACK = "amcDeliveryBucketStack"


@dataclass(frozen=True, slots=True)
class Administration:
    """/amc/accounts and /amc/instances."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        item = "/amc/instances/{instance_id}"
        return [
            Route("/amc/accounts", self.list_accounts, methods=["GET"]),
            Route("/amc/instances", self.list_instances, methods=["GET"]),
            Route("/amc/instances", self.create_instance, methods=["POST"]),
            Route(item, self.get_instance, methods=["GET"]),
            Route(item, self.update_instance, methods=["PUT"]),
            Route(item, self.delete_instance, methods=["DELETE"]),
            Route(item + "/updateCustomerAwsAccount", self.change_account, methods=["POST"]),
        ]

    async def list_accounts(self, request: Request) -> Response:
        """Every account the caller's grant may see, up to 100 a page; needs no account headers."""
        allowed = self.door.token(request).grant.accounts
        limit, after = page_limit(request), page_token(request) or ""
        found = [
            _account(account)
            for entity, account in sorted(self.simulator.world.accounts.items())
            if entity > after and (allowed is None or entity in allowed)
        ]
        page = found[:limit]
        more = (
            {"nextToken": next_token(request, page[-1]["accountId"])} if len(found) > limit else {}
        )
        return answer({"amcAccounts": page, **more})

    async def list_instances(self, request: Request) -> Response:
        """The account's instances; the last page has nextToken null, unlike in reporting."""
        account = self.door.account(request)
        limit, after = page_limit(request), page_token(request) or ""
        found = sorted((i for i in account.instances if i.id > after), key=lambda i: i.id)
        page = [_instance(i, request.state.at) for i in found[:limit]]
        more = next_token(request, found[limit - 1].id) if len(found) > limit else None
        return answer({"instances": page, "nextToken": more})

    async def get_instance(self, request: Request) -> Response:
        return _shown(self.door.instance(request), request.state.at)

    async def create_instance(self, request: Request) -> Response:
        """A second request with the same token within ten minutes makes no second instance."""
        account, at = self.door.account(request), request.state.at
        body = read_body(InstanceRequest, await request.body())
        for known in account.instances:
            if known.creation is not None and known.creation.is_repeated(
                body.idempotency_token, at
            ):
                return _shown(known, at)
        if len(account.instances) >= _MOST_INSTANCES:
            raise Refusal(400, f"An account has at most {_MOST_INSTANCES} instances.")
        return _shown(self._add(account, body, at), at)

    async def update_instance(self, request: Request) -> Response:
        """Changes the members that the body has."""
        instance = self.door.instance(request)
        change = read_body(InstanceChange, await request.body())
        wanted = change.model_dump(include={"instance_name", "s3_bucket_name"}, exclude_none=True)
        instance.entry = instance.entry.model_copy(update=wanted)
        instance.advertiser_name = change.advertiser_name or instance.advertiser_name
        instance.aws_account_id = change.aws_account_id or instance.aws_account_id
        return _shown(instance, request.state.at)

    async def delete_instance(self, request: Request) -> Response:
        """204; what still runs on it ends as CANCELLED."""
        instance, at = self.door.instance(request), request.state.at
        if instance.creation_status(at) != "COMPLETED":
            raise Refusal(400, f"The creation of instance {instance.id} has not finished.")
        for execution in instance.executions:
            if execution.status in ACTIVE:
                self.simulator.engine.cancel(execution, at)
        self.simulator.world.remove(instance)
        return Response(status_code=204)

    async def change_account(self, request: Request) -> Response:
        """The deprecated way to name the AWS account and the bucket of an instance."""
        instance = self.door.instance(request)
        change = read_body(AwsAccountChange, await request.body())
        instance.aws_account_id = change.aws_account_id
        wanted = {"s3_bucket_name": change.bucket_name}
        instance.entry = instance.entry.model_copy(update=wanted)
        query = urlencode({"region": _REGION})
        stack = urlencode({"stackName": _STACK, "param_pBucketName": change.bucket_name})
        return answer({"cfnBucketUrl": f"{_CONSOLE}?{query}#/stacks/create/review?{stack}"}, OCTETS)

    def _add(self, account: Account, body: InstanceRequest, at: float) -> Instance:
        world, settings = self.simulator.world, self.simulator.settings
        number = len(world.instances)
        while (instance_id := new_instance_id(settings.seed, number)) in world.instances:
            number += 1
        entry = InstanceEntry(
            instance_id=instance_id,
            instance_name=body.instance_name,
            account_id=account.entry.account_id,
            s3_bucket_name=body.s3_bucket_name or "",
        )
        world.add(WorldDocument(instances=[entry]), at=at)
        instance = world.instances[instance_id]
        seconds = settings.instance_creation_seconds / settings.time_scale
        instance.creation = Creation(body.idempotency_token, at, seconds)
        instance.advertiser_name = body.advertiser_name
        instance.aws_account_id = body.aws_account_id or ""
        return instance


def _account(account: Account) -> dict[str, str]:
    entry = account.entry
    return {
        "accountId": entry.account_id,
        "accountName": entry.account_name,
        "marketplaceId": entry.marketplace_id,
    }


def _shown(instance: Instance, now: float) -> Response:
    return answer({"instance": _instance(instance, now)})


def _instance(instance: Instance, now: float) -> dict[str, object]:
    entry = instance.entry
    present = advertisers_at(instance.first_advertisers, instance.updates, now)
    return {
        "acrCollaboration": None,
        "advertiserTypes": sorted({advertiser.type for advertiser in present}),
        "apiEndpoint": _API if instance.creation_status(now) == "COMPLETED" else None,
        "awsAccountId": instance.aws_account_id,
        "creationDatetime": iso_seconds(instance.created_at),
        "creationStatus": instance.creation_status(now),
        "customerCanonicalName": instance.advertiser_name or instance.account.entry.account_name,
        "dataUploadAwsAccountId": "000000000000",
        "entities": ["NA"],
        "instanceId": entry.instance_id,
        "instanceName": entry.instance_name,
        "instanceType": entry.type,
        "optionalDatasets": [],
        "s3BucketName": entry.s3_bucket_name,
        "s3BucketRegion": _REGION,
    }
