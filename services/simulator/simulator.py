"""Everything the simulator knows, in one place that the HTTP side is given."""

import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from services.simulator.clock import Clock
from services.simulator.distribution import Distribution, seeded
from services.simulator.durations import durations_of
from services.simulator.engine import Engine, Pace
from services.simulator.execution import Execution
from services.simulator.faults import Faults
from services.simulator.journal import Journal
from services.simulator.profiles import PROFILES, ProfileName
from services.simulator.results.build import Results
from services.simulator.results.presigned import Signer
from services.simulator.settings import SimulatorSettings
from services.simulator.switches import Switches
from services.simulator.tokens import Tokens
from services.simulator.traffic import Tally
from services.simulator.world import DEFAULT_WORLD, Instance, World, WorldDocument

if TYPE_CHECKING:
    from services.simulator.duck.executions import SqlRuns

_ENGINE_NEEDS = ("duckdb", "numpy", "pytz")


class ResultBucket(Protocol):
    """Holds result files outside of the simulator."""

    async def links(self, execution: Execution) -> tuple[list[str], list[str]]:
        """Links to the parts and to the metadata."""


class StateKeeper(Protocol):
    """Keeps state across restarts."""

    def save(self, *, changing: bool) -> None:
        """Writes down what a request changed."""


@dataclass(slots=True)
class Simulator:
    """The state of one simulated Amazon."""

    settings: SimulatorSettings
    clock: Clock
    switches: Switches
    world: World
    tokens: Tokens
    engine: Engine
    results: Results
    signer: Signer
    faults: Faults
    journal: Journal
    elsewhere: Tally = field(default_factory=Tally)
    """Requests that belong to no instance."""
    store_by_status: Counter[str] = field(default_factory=Counter)
    """Answers of the result store."""

    bucket: ResultBucket | None = None
    """Where result files are written; None if the simulator serves them itself."""
    keeper: StateKeeper | None = None
    """Writes state down; None if it is thrown away."""
    profile: ProfileName = "calm"
    replaced: dict[str, object] = field(default_factory=dict)
    """What the profile's switches were before it."""

    def choose_profile(self, name: ProfileName) -> None:
        """Puts a profile's rules and switches in the place of the one before's."""
        before, wanted = PROFILES[self.profile], PROFILES[name]
        self.faults.clear(of_profile=True)
        present = self.switches.model_dump()
        kept = {k: v for k, v in self.replaced.items() if present[k] == before.switches[k]}
        present |= kept
        self.replaced = {key: present[key] for key in wanted.switches}
        self.switches = Switches.model_validate({**present, **wanted.switches})
        for rule in wanted.rules:
            self.faults.add(rule, of_profile=True)
        self.profile = name
        self.engine.refill(self.world.instances.values())

    def add_world_file(self) -> None:
        """Adds the world of the settings' file, if they name one, to the one there is."""
        if self.settings.world is not None:
            self.world.add(_first_world(self.settings), at=self.clock.now())

    def rate_limit(self, instance: Instance) -> int | None:
        """Requests per second let in on an instance; None for no limit."""
        if not self.switches.limits_enabled:
            return None
        own = instance.entry.requests_per_second
        return self.switches.requests_per_second if own is None else own

    def public_base(self, host: str) -> str:
        """Where result links point to."""
        return (self.settings.public_url or f"http://{host}").rstrip("/")


def build_simulator(settings: SimulatorSettings, clock: Clock) -> Simulator:
    """A simulator in its first state; ValueError or OSError for a bad world file."""
    switches = Switches(
        requests_per_second=settings.requests_per_second,
        max_concurrent_executions=settings.max_concurrent_executions,
        max_concurrent_executions_per_account=settings.max_concurrent_executions_per_account,
        rotate_refresh_tokens=settings.rotate_refresh_tokens,
        refuse_what_cannot_run=settings.engine == "duckdb",
    )
    pace = Pace(
        time_scale=settings.time_scale,
        validation_seconds=settings.validation_seconds,
        durations=durations_of(settings.duration_profile, settings.users),
        rows=Distribution.parse(settings.rows_profile),
        seed=settings.seed,
    )
    world = World(settings.seed)
    world.add(_first_world(settings), at=clock.now())
    tokens = Tokens(clock, settings.token_lifetime)
    for refresh_token in settings.refresh_tokens:
        tokens.register(refresh_token)
    simulator = Simulator(
        settings=settings,
        clock=clock,
        switches=switches,
        world=world,
        tokens=tokens,
        engine=Engine(clock, pace, lambda: simulator.switches),
        results=Results(settings.seed, settings.part_bytes),
        signer=Signer(secrets.token_bytes(32), settings.url_lifetime_seconds),
        faults=Faults(seeded(settings.seed, "faults")),
        journal=Journal(settings.journal_size),
    )
    if settings.engine == "duckdb":
        simulator.engine.runs = simulator.results.worked = _sql_runs(settings)
    if settings.s3_endpoint is not None:
        simulator.bucket = _bucket(settings, simulator.results)
    simulator.choose_profile(settings.fault_profile)
    return simulator


def _first_world(settings: SimulatorSettings) -> WorldDocument:
    if settings.world is None:
        return DEFAULT_WORLD
    return WorldDocument.model_validate_json(settings.world.read_bytes())


def _sql_runs(settings: SimulatorSettings) -> "SqlRuns":
    missing = [name for name in _ENGINE_NEEDS if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--engine duckdb needs {' and '.join(missing)}: install amcflow[simulator],"
            " or choose --engine made-up"
        )
    # DuckDB is an optional dependency, wanted by nobody else.
    from services.simulator.duck.executions import Folders, build_sql_runs  # noqa: PLC0415  see above

    state = settings.state
    kept = state.with_name(f"{state.name}.results") if state is not None else None
    return build_sql_runs(
        Folders(settings.data_folder, kept, settings.data_megabytes),
        seed=settings.seed,
        users=settings.users,
        memory_megabytes=settings.memory_megabytes,
    )


def _bucket(settings: SimulatorSettings, results: Results) -> ResultBucket:
    # Its client is an optional dependency, wanted by nobody else.
    from services.simulator.results.bucket import Bucket, open_bucket  # noqa: PLC0415  see above

    return Bucket(open_bucket(settings), results, timedelta(seconds=settings.url_lifetime_seconds))
