"""`python -m tests.chaos --seed N --rounds N`: breaks a running stack on purpose and judges it.

Leaves with 1 if an invariant was violated; the line of that round says how to see it again.
"""

import logging
import sys
import warnings
from argparse import ArgumentParser, Namespace

from deploy.local.paths import HOME
from deploy.local.scratch import scratch_folder
from tests.chaos.faults.deck import DECK, FAULTS
from tests.chaos.judging import play
from tests.chaos.plan import plan_of
from tests.chaos.report import Report
from tests.chaos.town import running_town

FOLDER = HOME / "chaos"


def main() -> int:
    given = _read_arguments()
    # Clients of the broker complain on the console when it goes away, which is the point.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine 'Connection.close'")
    report = Report(FOLDER / "logs", given.only)
    seeds = range(given.seed, given.seed + given.rounds)
    with scratch_folder() as folder, running_town(folder, report.logs) as town:
        for seed in seeds:
            plan = plan_of(seed, DECK, only=given.only)
            report.add(play(town, plan, search=seed == seeds[-1]))
    report.close(FOLDER)
    return 0 if report.is_sound else 1


def _read_arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first; 0 is a rolling restart")
    parser.add_argument("--rounds", type=int, default=1, help="so many seeds in a row")
    parser.add_argument("--only", choices=sorted(FAULTS), help="this fault alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
