"""One command, one result; whatever goes wrong is recorded once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.downloader import following
from services.downloader.handler import LINK_ATTEMPTS, MAX_POSTPONED, DownloadHandler
from services.downloader.spool import DiskSpool
from shared.amc.models import DownloadLinks, OutputColumn, RemoteExecution
from shared.amc.results import ResultPart
from shared.db.results.order import LoadedResult, LoadOrder
from shared.domain.claims import Destination, DownloadClaim, Login
from shared.domain.errors import (
    AmcflowError,
    DatabaseUnavailable,
    PermitExpired,
    ResultGone,
    ResultMalformed,
    ResultUnavailable,
    SpoolFull,
    StaleTransition,
    TokenExpired,
)
from shared.domain.ids import (
    AmcExecutionId,
    AmcInstanceId,
    AmcWorkflowId,
    CredentialId,
    EntityId,
    ExecutionId,
    InstanceKey,
    MarketplaceId,
)
from shared.messaging.messages import DownloadResult

LINK = "https://results.example/part-{}.csv?signature={}"


def make_claim(execution_id: UUID, *, postponed_count: int = 0) -> DownloadClaim:
    login = Login(CredentialId(uuid4()), None, None, None, 0)
    return DownloadClaim(
        execution_id=ExecutionId(execution_id),
        no=1,
        workflow_id=uuid4(),
        workflow_no=1,
        workflow_name="spend",
        fence=1,
        postponed_count=postponed_count,
        amc_execution_id=AmcExecutionId("amc-1"),
        output_location="s3://known/before",
        destination=Destination(
            InstanceKey(1), AmcInstanceId("amc1"), EntityId("E"), MarketplaceId("M"), "NA", login
        ),
    )


@dataclass
class World:
    """Every port of the handler; `moves` says what happened, in order."""

    spool: DiskSpool
    moves: list[str] = field(default_factory=list)
    claimed: bool = False
    postponed_count: int = 0
    links: int = 2
    opened: list[str] = field(default_factory=list)
    files: list[bytes | AmcflowError] = field(default_factory=list)
    describing: Exception | None = None
    loading: Exception | None = None
    loaded: LoadOrder | None = None
    begun: list[tuple[int, bool]] = field(default_factory=list)
    """For each load the bytes that were there, and whether the parts were whole."""
    load_gate: asyncio.Event | None = None
    in_load: asyncio.Event = field(default_factory=asyncio.Event)

    def handler(self) -> DownloadHandler:
        pace = lambda count: timedelta(seconds=4 * 2**count)  # noqa: E731
        return DownloadHandler(self, self, self, self.spool, self, pace=pace)

    async def claim_for_download(self, execution_id: UUID) -> DownloadClaim:
        if self.claimed:
            raise StaleTransition
        self.claimed = True
        self.moves.append("claimed")
        return make_claim(execution_id, postponed_count=self.postponed_count)

    async def renew(self, claim: DownloadClaim) -> None:
        self.moves.append("renewed")

    async def give_back(self, claim: DownloadClaim) -> None:
        self.moves.append("given back")

    async def mark_failed(self, claim: DownloadClaim, error: AmcflowError) -> None:
        self.moves.append(f"failed: {error.code}")

    async def postpone(self, claim: DownloadClaim, *, wait: timedelta, reason: str) -> None:
        self.moves.append(f"postponed: {wait.total_seconds():g} s")

    async def acknowledge(self) -> None:
        self.moves.append("acknowledged")

    async def get_execution(self, claim: DownloadClaim) -> RemoteExecution:
        if self.describing is not None:
            raise self.describing
        columns = (OutputColumn("clicks", "LONG"),)
        return RemoteExecution(
            claim.amc_execution_id, AmcWorkflowId("w"), "SUCCEEDED", output_columns=columns
        )

    async def download_links(self, claim: DownloadClaim) -> DownloadLinks:
        self.moves.append("links")
        signature = self.moves.count("links")
        return DownloadLinks(tuple(LINK.format(part, signature) for part in range(self.links)))

    @asynccontextmanager
    async def open(self, link: str) -> AsyncIterator[ResultPart]:
        self.opened.append(link)
        answer = self.files.pop(0) if self.files else b"clicks\n1\n"
        if isinstance(answer, AmcflowError):
            raise answer
        yield ResultPart(_chunks(answer), len(answer))

    async def load(self, order: LoadOrder) -> LoadedResult:
        self.loaded = order
        self.begun.append((order.size_bytes, all(part.is_whole for part in order.parts)))
        self.in_load.set()
        await order.arrived()
        if self.load_gate is not None:
            await self.load_gate.wait()
        if self.loading is not None:
            raise self.loading
        self.moves.append("loaded")
        return LoadedResult(
            execution_id=order.claim.execution_id,
            table_name="w1_v1",
            version=1,
            row_count=2,
            size_bytes=order.size_bytes,
            replaced_characters=False,
        )


async def _chunks(data: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), 1_200_000):
        yield data[start : start + 1_200_000]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(DiskSpool(tmp_path, parallel=1, reserve_bytes=0))


def command() -> DownloadResult:
    return DownloadResult(execution_id=uuid4())


async def test_the_message_is_acknowledged_once_the_execution_is_claimed(world: World) -> None:
    await world.handler()(command(), world)

    assert world.moves == ["claimed", "acknowledged", "links", "loaded"]
    assert world.loaded is not None
    assert world.loaded.declared[0].name == "clicks"
    assert world.loaded.output_location == "s3://known/before"
    assert len(world.loaded.parts) == 2


async def test_a_second_delivery_is_a_conflict_and_changes_nothing(world: World) -> None:
    await world.handler()(command(), world)
    before = list(world.moves)

    with pytest.raises(StaleTransition):
        await world.handler()(command(), world)
    assert world.moves == before


async def test_an_expired_link_is_asked_for_again_and_finished_parts_stay(world: World) -> None:
    world.files = [b"clicks\n1\n", ResultUnavailable("expired")]
    await world.handler()(command(), world)

    assert world.moves == ["claimed", "acknowledged", "links", "links", "loaded"]
    assert len(world.opened) == 3


async def test_links_that_never_work_are_postponed(world: World) -> None:
    world.files = [ResultUnavailable("expired")] * 100
    await world.handler()(command(), world)

    assert world.moves.count("links") == LINK_ATTEMPTS
    assert world.moves[-1] == "postponed: 4 s"


async def test_the_store_is_given_the_time_it_asks_for(world: World) -> None:
    world.files = [ResultUnavailable("busy", wait=timedelta(seconds=77))] * 100
    await world.handler()(command(), world)

    assert world.moves[-1] == "postponed: 77 s"


async def test_bytes_that_are_no_text_are_fetched_again_and_believed_when_they_come_alike(
    world: World,
) -> None:
    world.files = [b"clicks\n\xff\n"] * 4
    await world.handler()(command(), world)

    assert len(world.opened) == 4
    assert world.moves[-1].startswith("loaded")


async def test_bytes_that_were_spoilt_on_the_way_are_not_stored(world: World) -> None:
    world.files = [b"clicks\n\xff\n", b"clicks\n1\n", b"clicks\n2\n", b"clicks\n1\n"]
    await world.handler()(command(), world)

    assert world.moves[-1] == "postponed: 4 s"


@pytest.fixture
def big_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Its parts are on the disk at once, and any source is fast enough to be followed."""
    monkeypatch.setattr(following, "_FASTEST_COPY", 0)
    return World(DiskSpool(tmp_path, parallel=1, memory_bytes=1000, reserve_bytes=0), links=1)


async def test_a_load_begins_while_its_part_arrives(big_world: World) -> None:
    big_world.files = [b"clicks\n" + b"1\n" * 2_000_000]
    await big_world.handler()(command(), big_world)

    assert big_world.moves == ["claimed", "acknowledged", "links", "loaded"]
    ((there, was_whole),) = big_world.begun
    assert not was_whole
    assert 0 < there < 4_000_007


async def test_bytes_that_are_no_text_do_not_stay_because_they_were_loaded_early(
    big_world: World,
) -> None:
    big_world.files = [b"clicks\n" + b"1\n" * 2_000_000 + b"\xff\n"] * 2
    await big_world.handler()(command(), big_world)

    assert big_world.moves == ["claimed", "acknowledged", "links", "links", "loaded"]
    assert [was_whole for _, was_whole in big_world.begun] == [False, True]


async def test_a_claim_that_is_lost_while_the_part_arrives_ends_the_download(
    big_world: World,
) -> None:
    big_world.files = [b"clicks\n" + b"1\n" * 2_000_000]
    big_world.loading = StaleTransition("lost")
    await big_world.handler()(command(), big_world)

    assert big_world.moves == ["claimed", "acknowledged", "links"]
    assert len(big_world.begun) == 1


async def test_no_links_at_all_are_postponed(world: World) -> None:
    world.links = 0
    await world.handler()(command(), world)

    assert world.moves[-1] == "postponed: 4 s"


async def test_a_result_that_stays_out_of_reach_is_gone_in_the_end(world: World) -> None:
    world.postponed_count = MAX_POSTPONED
    world.files = [ResultUnavailable("expired")] * 100
    await world.handler()(command(), world)

    assert world.moves[-1] == "failed: result_gone"


@pytest.mark.parametrize(
    ("postponed_before", "move"),
    [(0, "postponed: 4 s"), (MAX_POSTPONED, "failed: result_too_large")],
)
async def test_a_full_disk_is_waited_for_as_long_as_a_result_out_of_reach(
    world: World, postponed_before: int, move: str
) -> None:
    world.postponed_count = postponed_before
    world.files = [SpoolFull("no room")]
    await world.handler()(command(), world)

    assert world.moves[-1] == move


@pytest.mark.parametrize(
    ("error", "move"),
    [
        (ResultGone(), "failed: result_gone"),
        (ResultMalformed("line 3"), "failed: result_malformed"),
        (TokenExpired(), "postponed: 4 s"),
        (PermitExpired(), "postponed: 0.5 s"),
        (DatabaseUnavailable(wait=timedelta(seconds=9)), "postponed: 9 s"),
    ],
)
async def test_each_family_of_errors_has_its_end(
    world: World, error: AmcflowError, move: str
) -> None:
    world.loading = error
    await world.handler()(command(), world)

    assert world.moves[-1] == move


async def test_what_amc_refuses_ends_before_anything_is_fetched(world: World) -> None:
    world.describing = ResultGone()
    await world.handler()(command(), world)

    assert world.moves == ["claimed", "acknowledged", "failed: result_gone"]


async def test_losing_the_claim_while_loading_ends_quietly(world: World) -> None:
    world.loading = StaleTransition("ours no more")
    await world.handler()(command(), world)

    assert world.moves == ["claimed", "acknowledged", "links"]


async def test_a_bug_frees_the_claim_and_stays_a_bug(world: World) -> None:
    world.loading = KeyError("bug")

    with pytest.raises(KeyError):
        await world.handler()(command(), world)
    assert world.moves[-1] == "postponed: 60 s"


async def test_stopping_gives_the_claim_back(world: World) -> None:
    world.load_gate = asyncio.Event()
    task = asyncio.ensure_future(world.handler()(command(), world))
    await world.in_load.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.moves[-1] == "given back"
