"""The accounts and instances that exist here: invented ones, a file's, or those added later."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.simulator.advertisers import AdvertiserId, AdvertiserUpdate, first_advertisers
from services.simulator.creation import Creation
from services.simulator.execution import Execution, Workflow
from services.simulator.schedule import Schedule
from services.simulator.traffic import Traffic


class _Entry(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
    )


class AccountEntry(_Entry):
    """One account as written in a world file."""

    account_id: str = Field(pattern=r"^[A-Za-z0-9]{1,64}$")
    account_name: str = ""
    marketplace_id: str = Field(pattern=r"^[A-Z0-9]{1,32}$")


class InstanceEntry(_Entry):
    """One instance as written in a world file; a limit left out follows the switches."""

    instance_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    instance_name: str = ""
    account_id: str
    type: Literal["STANDARD", "SANDBOX"] = "STANDARD"
    s3_bucket_name: str = ""
    requests_per_second: int | None = Field(None, ge=1)
    max_concurrent_executions: int | None = Field(None, ge=1)


class WorldDocument(_Entry):
    """A world file, and the body of POST /_simulator/world."""

    accounts: list[AccountEntry] = []
    instances: list[InstanceEntry] = []


@dataclass(slots=True, eq=False)
class Account:
    """One advertiser account, with the executions of all its instances counted together."""

    entry: AccountEntry
    instances: list["Instance"] = field(default_factory=list)
    active: int = 0
    running: int = 0
    peak_active: int = 0
    peak_running: int = 0


@dataclass(slots=True, eq=False)
class Instance:
    """One AMC instance with all that lives in it."""

    entry: InstanceEntry
    account: Account
    created_at: float
    workflows: dict[str, Workflow] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    """In order of creation, so that lists are slices."""
    waiting: deque[Execution] = field(default_factory=deque)
    """Validated executions without a place, the oldest first."""
    active: int = 0
    running: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    first_advertisers: list[AdvertiserId] = field(default_factory=list)
    updates: list[AdvertiserUpdate] = field(default_factory=list)
    creation: Creation | None = None
    """None for an instance that was there from the beginning."""
    advertiser_name: str | None = None
    aws_account_id: str = ""

    @property
    def id(self) -> str:
        return self.entry.instance_id

    def creation_status(self, now: float) -> str:
        return "COMPLETED" if self.creation is None else self.creation.status(now)


DEFAULT_WORLD = WorldDocument(
    accounts=[
        AccountEntry(
            account_id="ENTITY1SIMNORTHWIND",
            account_name="Northwind Outdoor (invented)",
            marketplace_id="ATVPDKIKX0DER",
        ),
        AccountEntry(
            account_id="ENTITY2SIMTEEHAUS",
            account_name="Teehaus am Fluss (invented)",
            marketplace_id="A1PA6795UKMFR9",
        ),
    ],
    instances=[
        InstanceEntry(
            instance_id="amcsimnwus1",
            instance_name="Northwind US",
            account_id="ENTITY1SIMNORTHWIND",
            s3_bucket_name="amc-simnorthwind-us",
        ),
        InstanceEntry(
            instance_id="amcsimnwus2",
            instance_name="Northwind US outlet",
            account_id="ENTITY1SIMNORTHWIND",
        ),
        InstanceEntry(
            instance_id="amcsimthde1",
            instance_name="Teehaus DE",
            account_id="ENTITY2SIMTEEHAUS",
            s3_bucket_name="amc-simteehaus-de",
        ),
    ],
)


class World:
    """Accounts and instances by their ids."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.accounts: dict[str, Account] = {}
        self.instances: dict[str, Instance] = {}

    def add(self, document: WorldDocument, *, at: float) -> None:
        """Adds what is new and updates what is known; ValueError, and nothing done, for an
        instance whose account does not exist or that would change its account."""
        self._check(document)
        for account in document.accounts:
            self._put_account(account)
        for instance in document.instances:
            self._put_instance(instance, at)

    def clear(self) -> None:
        self.accounts.clear()
        self.instances.clear()

    def remove(self, instance: Instance) -> None:
        """Forgets an instance with all that lives in it."""
        del self.instances[instance.id]
        instance.account.instances.remove(instance)

    def _check(self, document: WorldDocument) -> None:
        accounts = self.accounts.keys() | {entry.account_id for entry in document.accounts}
        for entry in document.instances:
            known = self.instances.get(entry.instance_id)
            if entry.account_id not in accounts:
                raise ValueError(f"Instance {entry.instance_id} names no known account.")
            if known is not None and known.entry.account_id != entry.account_id:
                raise ValueError(f"Instance {entry.instance_id} belongs to another account.")

    def _put_account(self, entry: AccountEntry) -> None:
        if known := self.accounts.get(entry.account_id):
            known.entry = entry
        else:
            self.accounts[entry.account_id] = Account(entry)

    def _put_instance(self, entry: InstanceEntry, at: float) -> None:
        known = self.instances.get(entry.instance_id)
        if known is not None:
            known.entry = entry
            return
        account = self.accounts[entry.account_id]
        first = first_advertisers(self._seed, entry.instance_id, account.entry.marketplace_id)
        instance = Instance(entry, account, created_at=at, first_advertisers=first)
        account.instances.append(instance)
        self.instances[entry.instance_id] = instance
