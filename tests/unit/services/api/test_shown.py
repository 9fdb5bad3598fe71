"""Lists read what is new, and show every change."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.api.schemas.executions import execution_json
from services.api.shown import ShownExecutions
from shared.db.executions_read import Execution, ExecutionFilter, Versioned
from tests.unit.services.api.schemas.test_executions import PLAIN

LAST = UUID(int=2**128 - 1)
EVERY = ExecutionFilter()


@dataclass
class Rows:
    """A table whose rows count their versions, and what was read of it."""

    rows: dict[UUID, Execution] = field(default_factory=dict)
    versions: dict[UUID, tuple[int, int, int]] = field(default_factory=dict)
    read: list[list[UUID]] = field(default_factory=list)

    def write(self, number: int, **members: object) -> UUID:
        key = UUID(int=number)
        row = replace(self.rows.get(key, PLAIN), id=key, **members)
        self.rows[key], self.versions[key] = row, (len(self.read), number, id(row))
        return key

    async def page(self, wanted: ExecutionFilter, *, after: UUID, limit: int) -> list[Versioned]:
        keys = sorted((key for key in self.versions if key < after), reverse=True)
        return [(key, self.versions[key]) for key in keys[:limit]]

    async def of(self, ids: Sequence[UUID]) -> list[Execution]:
        self.read.append(list(ids))
        return [self.rows[key] for key in ids if key in self.rows]


async def test_what_has_not_changed_is_read_once() -> None:
    rows = Rows()
    keys = [rows.write(number) for number in (3, 2, 1)]
    shown = ShownExecutions(rows)

    first = await shown.page(EVERY, after=LAST, limit=2)
    again = await shown.page(EVERY, after=LAST, limit=3)

    assert rows.read == [keys[:2], keys[2:]]
    assert [key for key, _ in again] == keys
    assert again[:2] == first


async def test_every_change_is_shown_at_once() -> None:
    rows = Rows()
    key = rows.write(1)
    shown = ShownExecutions(rows)
    await shown.page(EVERY, after=LAST, limit=9)

    rows.write(1, amc_status="RUNNING")
    changed = await shown.page(EVERY, after=LAST, limit=9)

    assert changed == [(key, execution_json(replace(PLAIN, id=key, amc_status="RUNNING")))]


async def test_an_execution_that_is_gone_between_two_looks_is_left_out() -> None:
    rows = Rows()
    kept, gone = rows.write(2), rows.write(1)
    del rows.rows[gone]

    page = await ShownExecutions(rows).page(EVERY, after=LAST, limit=9)

    assert [key for key, _ in page] == [kept]


async def test_those_that_were_written_longest_ago_are_forgotten_first() -> None:
    rows = Rows()
    one, two, three = (rows.write(number) for number in (1, 2, 3))
    shown = ShownExecutions(rows, most_bytes=2 * (len(execution_json(PLAIN)) + 400))
    for after in (two, three, LAST):
        await shown.page(EVERY, after=after, limit=1)
    assert rows.read == [[one], [two], [three]]

    await shown.page(EVERY, after=LAST, limit=2)
    assert rows.read == [[one], [two], [three]]
    await shown.page(EVERY, after=two, limit=1)
    assert rows.read[3:] == [[one]]


async def test_a_page_is_whole_even_if_it_is_more_than_may_be_kept() -> None:
    rows = Rows()
    keys = [rows.write(number) for number in (3, 2, 1)]
    shown = ShownExecutions(rows, most_bytes=1)

    for _ in range(2):
        page = await shown.page(EVERY, after=LAST, limit=9)
        assert [key for key, _ in page] == keys
