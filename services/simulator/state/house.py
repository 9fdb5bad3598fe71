"""All that is small, in one document: accounts, instances, tokens, the key of the links."""

import base64

from pydantic import BaseModel, ConfigDict

from services.simulator.advertisers import AdvertiserId, AdvertiserUpdate
from services.simulator.creation import Creation
from services.simulator.results.presigned import Signer
from services.simulator.schedule import Schedule, ScheduleBody
from services.simulator.simulator import Simulator
from services.simulator.tokens import AccessToken, Code, Consent, Grant
from services.simulator.world import AccountEntry, Instance, InstanceEntry, WorldDocument


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptInstance(_Kept):
    """One instance without its workflows and executions."""

    entry: InstanceEntry
    created_at: float
    creation: Creation | None
    advertiser_name: str | None
    aws_account_id: str
    schedules: dict[str, ScheduleBody]
    fired: dict[str, tuple[float, float | None]] = {}
    """By schedule: the hour that it was fired for last, or when it was written; and when."""
    first_advertisers: list[AdvertiserId]
    updates: list[AdvertiserUpdate]


class KeptGrant(_Kept):
    """One user's consent."""

    refresh_token: str
    accounts: list[str] | None
    revoked: bool
    scopes: list[str]


class KeptAccess(_Kept):
    """One access token; its grant is named by the refresh token."""

    token: str
    refresh_token: str
    expires_at: float


class KeptCode(_Kept):
    """One authorization code with the grant it would give."""

    code: str
    grant: KeptGrant
    expires_at: float
    scopes: list[str]
    redirect_uri: str | None
    challenge: str | None


class House(_Kept):
    """The document."""

    accounts: list[AccountEntry]
    instances: list[KeptInstance]
    grants: list[KeptGrant]
    access: list[KeptAccess]
    codes: list[KeptCode]
    link_key: str


def described(simulator: Simulator) -> House:
    """What there is now."""
    tokens, world = simulator.tokens, simulator.world
    return House(
        accounts=[account.entry for account in world.accounts.values()],
        instances=[_instance(instance) for instance in world.instances.values()],
        grants=[_grant(grant) for grant in tokens.grants.values()],
        access=[
            KeptAccess(
                token=token, refresh_token=known.grant.refresh_token, expires_at=known.expires_at
            )
            for token, known in tokens.access_tokens.items()
        ],
        codes=[_code(code, known) for code, known in tokens.codes.items()],
        link_key=base64.b64encode(simulator.signer.secret).decode(),
    )


def rebuilt(house: House, simulator: Simulator) -> None:
    """Puts the simulator into the state that was written down."""
    world, tokens = simulator.world, simulator.tokens
    world.clear()
    entries = [kept.entry for kept in house.instances]
    world.add(WorldDocument(accounts=house.accounts, instances=entries), at=0.0)
    for kept in house.instances:
        instance = world.instances[kept.entry.instance_id]
        instance.created_at, instance.creation = kept.created_at, kept.creation
        instance.advertiser_name = kept.advertiser_name
        instance.aws_account_id = kept.aws_account_id
        instance.schedules = {
            key: _scheduled(body, kept.fired.get(key), simulator.clock.now())
            for key, body in kept.schedules.items()
        }
        instance.first_advertisers = list(kept.first_advertisers)
        instance.updates = list(kept.updates)
    tokens.grants |= {kept.refresh_token: _granted(kept) for kept in house.grants}
    tokens.access_tokens = {
        kept.token: AccessToken(tokens.grants[kept.refresh_token], kept.expires_at)
        for kept in house.access
        if kept.refresh_token in tokens.grants
    }
    tokens.codes = {kept.code: _coded(kept) for kept in house.codes}
    key = base64.b64decode(house.link_key)
    simulator.signer = Signer(key, simulator.signer.lifetime_seconds)


def _instance(instance: Instance) -> KeptInstance:
    return KeptInstance(
        entry=instance.entry,
        created_at=instance.created_at,
        creation=instance.creation,
        advertiser_name=instance.advertiser_name,
        aws_account_id=instance.aws_account_id,
        schedules={key: schedule.body for key, schedule in instance.schedules.items()},
        fired={key: (known.since, known.fired_at) for key, known in instance.schedules.items()},
        first_advertisers=instance.first_advertisers,
        updates=instance.updates,
    )


def _scheduled(
    body: ScheduleBody, fired: tuple[float, float | None] | None, now: float
) -> Schedule:
    """A file of before schedules fired has no times: its hours count from now on."""
    since, at = fired or (now, None)
    return Schedule(body, since, at)


def _grant(grant: Grant) -> KeptGrant:
    return KeptGrant(
        refresh_token=grant.refresh_token,
        accounts=None if grant.accounts is None else sorted(grant.accounts),
        revoked=grant.revoked,
        scopes=sorted(grant.scopes),
    )


def _granted(kept: KeptGrant) -> Grant:
    accounts = None if kept.accounts is None else frozenset(kept.accounts)
    return Grant(kept.refresh_token, accounts, kept.revoked, frozenset(kept.scopes))


def _code(code: str, known: Code) -> KeptCode:
    return KeptCode(
        code=code,
        grant=_grant(known.grant),
        expires_at=known.expires_at,
        scopes=sorted(known.consent.scopes),
        redirect_uri=known.consent.redirect_uri,
        challenge=known.consent.challenge,
    )


def _coded(kept: KeptCode) -> Code:
    consent = Consent(frozenset(kept.scopes), kept.redirect_uri, kept.challenge)
    return Code(_granted(kept.grant), kept.expires_at, consent)
