"""Executions whose first create is struck, side by side, each on an instance of its own.

Settling takes six seconds, so they begin with the session and are looked at later.
"""

from tests.e2e.house import Case, House, eventually

CREATE = r"workflowExecutions$"
NOTHING_MADE = ("500", "502", "503", "504", "drop-before")
MADE_UNHEARD = (
    "drop-after",
    "late-create:2",
    "late-create-drop:2",
    "truncate",
    "malformed-json",
    "empty-body",
)
TOO_LATE = "late-create:10"
"""AMC makes it when it was given up already."""
CANCELLED_NOT_MADE, CANCELLED_MADE = "cancelled, not made", "cancelled, made"


def begin_doubts(house: House) -> dict[str, Case]:
    """All of them, in doubt when this returns; two of them asked to be cancelled."""
    first = house.place()

    def begin(fault: str, duration: int = 30) -> Case:
        place = house.place(shares=first)
        house.simulator.fault(fault, method="POST", path=CREATE, place=place)
        return Case(house, place, house.run(house.workflow(f"duration {duration}"), place))

    cases = {fault: begin(fault) for fault in (*NOTHING_MADE, *MADE_UNHEARD)}
    cases[TOO_LATE] = begin(TOO_LATE, duration=400)
    cases[CANCELLED_NOT_MADE] = begin("drop-before", duration=1200)
    cases[CANCELLED_MADE] = begin("drop-after", duration=1200)
    eventually(house.simulator.faults_left, lambda left: not left)
    for name in (CANCELLED_NOT_MADE, CANCELLED_MADE):
        house.post(f"/executions/{cases[name].execution}/cancel")
    return cases
