"""Whose data an execution sees: its instance's, of the advertisers that it names."""

from services.simulator.advertisers import advertisers_at
from services.simulator.duck.plan import DataPlan
from services.simulator.execution import Execution
from services.simulator.world import Instance


def plan_of(instance: Instance, *, seed: int, users: int) -> DataPlan:
    """The instance's data, without days yet: where its account sells, of its first advertisers."""
    display, sponsored = (advertiser.id for advertiser in instance.first_advertisers)
    marketplace = instance.account.entry.marketplace_id
    return DataPlan(seed, instance.id, users, 0, 0, marketplace, (display, sponsored))


def advertisers_seen(execution: Execution) -> frozenset[str] | None:
    """Those who belonged to the instance when the execution was created, and that it names if it
    names any. None if those are all who have data: one that was added later has none."""
    instance, named = execution.instance, execution.order.body.advertisers
    present = advertisers_at(instance.first_advertisers, instance.updates, execution.created_at)
    seen = {advertiser.id for advertiser in present}
    if named:
        seen &= {advertiser.id for advertiser in named}
    everybody = {advertiser.id for advertiser in instance.first_advertisers}
    return None if everybody <= seen else frozenset(seen & everybody)
