"""`python -m tests.chaos --seed N --rounds N`: breaks a running stack on purpose and judges it.

Leaves with 1 if an invariant was violated; the line of that round says how to see it again.
"""

import logging
import sys
import warnings
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence

from deploy.local.paths import HOME
from deploy.local.scratch import scratch_folder
from tests.chaos.faults.deck import DECK, FAULTS
from tests.chaos.judging import play
from tests.chaos.passes import PASSES, SWEEP
from tests.chaos.plan import plan_of
from tests.chaos.report import Report
from tests.chaos.sweep import sweep
from tests.chaos.town import running_town

FOLDER = HOME / "chaos"
_LEFT_OVER_SEED = 41


def main() -> int:
    given = _read_arguments()
    # Clients of the broker complain on the console when it goes away, which is the point.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine 'Connection.close'")
    report = Report(FOLDER / "logs", wanted=FAULTS if given.every_fault else ())
    plans = [
        plan_of(seed, DECK, only=only)
        for only in given.only or [()]
        for seed in range(given.seed, given.seed + given.rounds)
    ]
    with scratch_folder() as folder, running_town(folder, report.logs) as town:
        for name in _passes(given):
            report.add(sweep(town, PASSES[name]))
        for plan in plans:
            report.add(play(town, plan, search=plan is plans[-1]))
        for faults in _pairs(report.unstruck):
            report.add(play(town, plan_of(_LEFT_OVER_SEED, DECK, only=faults)))
        # What the other of its pair kept from striking.
        for fault in report.unstruck:
            report.add(play(town, plan_of(_LEFT_OVER_SEED, DECK, only=(fault,))))
    report.close(FOLDER)
    return 0 if report.is_sound else 1


def _passes(given: Namespace) -> Sequence[str]:
    if given.stop_points is None:
        return ()
    return (given.stop_points or SWEEP) * given.times


def _pairs(faults: Sequence[str]) -> Sequence[Sequence[str]]:
    return [faults[at : at + 2] for at in range(0, len(faults), 2)]


def _together(given: str) -> tuple[str, ...]:
    names = tuple(given.split("+"))
    if unknown := sorted(set(names) - FAULTS.keys()):
        raise ArgumentTypeError(f"no fault is called {', '.join(unknown)}: {', '.join(FAULTS)}")
    return names


def _read_arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first; 0 is a rolling restart")
    parser.add_argument("--rounds", type=int, help="so many seeds in a row; one if none is given")
    parser.add_argument(
        "--stop-points",
        nargs="*",
        metavar="PASS",
        choices=sorted(PASSES),
        help="strikes each stop point first, or those of these passes",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="FAULT", type=_together, help="each of these alone; a+b: both"
    )
    parser.add_argument(
        "--every-fault",
        action="store_true",
        help="what no seed struck with is played in rounds of its own; it must strike then",
    )
    parser.add_argument("--times", type=int, default=1, help="so often each pass")
    given = parser.parse_args()
    if given.rounds is None:
        given.rounds = 1 if given.stop_points is None else 0
    return given


if __name__ == "__main__":
    sys.exit(main())
