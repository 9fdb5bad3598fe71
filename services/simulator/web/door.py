"""Who is calling, and may they: token, client, account headers, instance."""

from dataclasses import dataclass

from starlette.requests import Request

from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.tokens import AMC_SCOPE, AccessToken
from services.simulator.world import Account, Instance

_FORBIDDEN = "Unauthorized request."


def bearer(header: str | None) -> str:
    """The token of an Authorization header; "" if it has none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Door:
    """Checks the headers of section 1.1 in Amazon's order."""

    simulator: Simulator

    def token(self, request: Request) -> AccessToken:
        """The caller's token; Refusal if it or the client id is missing or wrong."""
        found = self.simulator.tokens.access(bearer(request.headers.get("authorization")))
        client = request.headers.get("amazon-advertising-api-clientid")
        if found is None or client != self.simulator.settings.client_id:
            raise self._unauthorized(request)
        if AMC_SCOPE not in found.grant.scopes:
            raise Refusal(403, _FORBIDDEN)
        return found

    def account(self, request: Request) -> Account:
        """The account named by the headers; Refusal if they are missing or not allowed."""
        token = self.token(request)
        entity = request.headers.get("amazon-advertising-api-advertiserid")
        marketplace = request.headers.get("amazon-advertising-api-marketplaceid")
        if not entity:
            raise Refusal(400, "entityId provided is null")
        if not marketplace:
            raise Refusal(400, "marketplaceId provided is null")
        account = self.simulator.world.accounts.get(entity)
        if account is None or account.entry.marketplace_id != marketplace:
            raise Refusal(403, _FORBIDDEN)
        if token.grant.accounts is not None and entity not in token.grant.accounts:
            raise Refusal(403, _FORBIDDEN)
        if not self.simulator.switches.terms_accepted:
            raise Refusal(403, "Terms and conditions must be accepted to continue")
        return account

    def instance(self, request: Request) -> Instance:
        """The instance in the path, if it belongs to the account in the headers."""
        account = self.account(request)
        instance = self.simulator.world.instances.get(request.path_params["instance_id"])
        if instance is None or instance.account is not account:
            raise Refusal(403, _FORBIDDEN)
        status = instance.creation_status(request.state.at)
        if status != "COMPLETED" and request.scope["path"].startswith("/amc/reporting/"):
            raise Refusal(400, f"Instance {instance.id} is not ready: its creation is {status}.")
        return instance

    def _unauthorized(self, request: Request) -> Refusal:
        if self.simulator.switches.expired_token_status == 403:  # noqa: PLR2004  an HTTP status
            return Refusal(403, "HTTP 403 Forbidden")
        extra = {"requestId": str(request.state.request_id)}
        if self.simulator.switches.unauthorized_code == "word":
            extra["code"] = "UNAUTHORIZED"
        return Refusal(401, "HTTP 401 Unauthorized", extra=extra)
