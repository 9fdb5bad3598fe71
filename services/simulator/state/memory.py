"""What tests set and read as it is written down: switches, profile, faults, counters.

A switch whose start value was changed between two starts takes the new one; the others are kept.
"""

from collections import Counter

from pydantic import BaseModel, ConfigDict

from services.simulator.faults import ActiveFault, FaultRule
from services.simulator.profiles import ProfileName
from services.simulator.simulator import Simulator
from services.simulator.switches import Switches
from services.simulator.traffic import Tally
from services.simulator.world import Instance


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptFault(_Kept):
    """One rule in force."""

    id: int
    rule: FaultRule
    left: int | None
    struck: int
    drawn: int
    of_profile: bool


class Start(_Kept):
    """What a process began with, by its settings."""

    switches: dict[str, object]
    profile: ProfileName


class Controls(_Kept):
    """What was set."""

    start: Start
    switches: dict[str, object]
    profile: ProfileName
    replaced: dict[str, object]
    faults: list[KeptFault]
    fault_seed: int
    last_fault: int


class KeptTally(_Kept):
    """The counters of one instance."""

    tally: Tally
    most_arrived: int
    most_accepted: int


class Counters(_Kept):
    """What was counted."""

    instances: dict[str, KeptTally]
    accounts: dict[str, tuple[int, int]]
    """Most executions active, and running."""
    elsewhere: Tally
    store: dict[str, int]
    token_refreshes: int
    token_requests_refused: int


def start_of(simulator: Simulator) -> Start:
    """To be asked for before anything was set."""
    return Start(switches=simulator.switches.model_dump(), profile=simulator.profile)


def controls_of(simulator: Simulator, start: Start) -> Controls:
    """What is set now."""
    faults = simulator.faults
    return Controls(
        start=start,
        switches=simulator.switches.model_dump(),
        profile=simulator.profile,
        replaced=dict(simulator.replaced),
        faults=[
            KeptFault(
                id=fault.id,
                rule=fault.rule,
                left=fault.left,
                struck=fault.struck,
                drawn=fault.drawn,
                of_profile=fault.of_profile,
            )
            for fault in faults.active
        ],
        fault_seed=faults.seed,
        last_fault=faults.last_id,
    )


def set_again(kept: Controls, simulator: Simulator, start: Start) -> None:
    """Puts switches and faults where they were; a profile of other settings than before wins."""
    same_profile = kept.start.profile == start.profile
    values = {
        name: kept.switches[name]
        if name in kept.switches and kept.start.switches.get(name) == value
        else value
        for name, value in start.switches.items()
    }
    simulator.switches = Switches.model_validate(values)
    faults = simulator.faults
    own = [] if same_profile else [fault for fault in faults.active if fault.of_profile]
    faults.clear()
    faults.seed, faults.last_id = kept.fault_seed, kept.last_fault
    for fault in kept.faults:
        if same_profile or not fault.of_profile:
            faults.restore(_fault(fault, simulator))
    for rule in own:
        faults.add(rule.rule, of_profile=True)
    if same_profile:
        simulator.profile, simulator.replaced = kept.profile, dict(kept.replaced)


def counters_of(simulator: Simulator) -> Counters:
    """What is counted by now."""
    world, tokens = simulator.world, simulator.tokens
    return Counters(
        instances={key: _tally(instance) for key, instance in world.instances.items()},
        accounts={key: (a.peak_active, a.peak_running) for key, a in world.accounts.items()},
        elsewhere=simulator.elsewhere,
        store=dict(simulator.store_by_status),
        token_refreshes=tokens.refreshes,
        token_requests_refused=tokens.refused,
    )


def counted_again(kept: Counters, simulator: Simulator) -> None:
    """Counts on from where the earlier process was."""
    world, tokens = simulator.world, simulator.tokens
    for key, tally in kept.instances.items():
        if (instance := world.instances.get(key)) is not None:
            traffic = instance.traffic
            traffic.tally = tally.tally
            traffic.arrived.peak, traffic.accepted.peak = tally.most_arrived, tally.most_accepted
    for key, (active, running) in kept.accounts.items():
        if (account := world.accounts.get(key)) is not None:
            account.peak_active, account.peak_running = active, running
    simulator.elsewhere = kept.elsewhere
    simulator.store_by_status = Counter(kept.store)
    tokens.refreshes, tokens.refused = kept.token_refreshes, kept.token_requests_refused


def _tally(instance: Instance) -> KeptTally:
    traffic = instance.traffic
    return KeptTally(
        tally=traffic.tally, most_arrived=traffic.arrived.peak, most_accepted=traffic.accepted.peak
    )


def _fault(kept: KeptFault, simulator: Simulator) -> ActiveFault:
    return ActiveFault(
        kept.id,
        kept.rule,
        kept.left,
        simulator.faults.rng,
        struck=kept.struck,
        of_profile=kept.of_profile,
        drawn=kept.drawn,
    )
