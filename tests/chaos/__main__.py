"""`python -m tests.chaos --seed N --rounds N`: breaks a running stack on purpose and judges it."""

import sys
from argparse import ArgumentParser
from deploy.local.paths import HOME
from deploy.local.scratch import scratch_folder
from tests.chaos.faults.deck import DECK, FAULTS
from tests.chaos.plan import plan_of
from tests.chaos.round import Round
from tests.chaos.town import running_town


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; 0: rolling restart")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=sorted(FAULTS), help="this fault alone")
    given = parser.parse_args()
    with scratch_folder() as folder, running_town(folder, HOME / "chaos" / "logs") as town:
        for seed in range(given.seed, given.seed + given.rounds):
            outcome = Round(town, plan_of(seed, DECK, only=given.only)).run()
            print(
                seed,
                [(s.name, s.strikes, s.detail, s.recovery_seconds) for s in outcome.faults],
                outcome.plan.executions,
                outcome.rest_seconds,
                f"{outcome.seconds:.1f}",
                flush=True,
            )
            for p in outcome.problems:
                print("  ", p)
            town.heal()
    return 0


if __name__ == "__main__":
    sys.exit(main())
