"""What is said of a workflow's SQL when it is saved, remembered, and worked out beside the loop.

A long text takes a second of parsing and binding. Who serves a request awaits `compile_aside`
first; the same question by `compiled` is then answered from memory, without an await in between.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from services.simulator.bodies import WorkflowBody
from services.simulator.duck.checks import check_permitted, checked
from services.simulator.sql.compiler import CompiledQuery, compile_query
from services.simulator.sql.source import CompileError

_REMEMBERED = 1024
# Long texts have a thread of their own, so that they do not keep the others waiting. One each: they
# work in Python, and two long ones at once made the loop wait for more than 50 ms.
_LONG_CHARACTERS = 4096
_SHORT, _LONG = (ThreadPoolExecutor(1, thread_name_prefix=f"compile-{n}") for n in (0, 1))


@dataclass(frozen=True, slots=True)
class _Question:
    """All that bears on the answer; of the definition, what `checked` reads of it."""

    definition: str
    declared: tuple[tuple[str, str], ...]
    sandbox: bool
    runnable: bool


def compiled(body: WorkflowBody, *, sandbox: bool, runnable: bool) -> CompiledQuery:
    """CompileError in AMC's words; `runnable` asks for what this engine can run."""
    said = _said(_question(body, sandbox=sandbox, runnable=runnable))
    if isinstance(said, str):
        raise CompileError(said)
    return said


async def compile_aside(body: WorkflowBody | None, *, sandbox: bool, runnable: bool) -> None:
    """Returns when `compiled` need not work; whatever it will say."""
    if body is not None and body.sql_query is not None:
        question = _question(body, sandbox=sandbox, runnable=runnable)
        beside = _LONG if len(body.sql_query) > _LONG_CHARACTERS else _SHORT
        await asyncio.get_running_loop().run_in_executor(beside, _said, question)


def _question(body: WorkflowBody, *, sandbox: bool, runnable: bool) -> _Question:
    declared = tuple((each.name, each.sql_type) for each in body.input_parameters)
    others = {"workflow_id", "query", "input_parameters", "output_columns", "input_schema"}
    told = body.model_dump_json(by_alias=True, exclude_unset=True, exclude=others)
    return _Question(told, declared, sandbox, runnable)


@lru_cache(maxsize=_REMEMBERED)
def _said(question: _Question) -> CompiledQuery | str:
    """An error is a text: raised anew each time, it gathers no traceback."""
    body = WorkflowBody.model_validate_json(question.definition)
    try:
        query = compile_query(body.sql_query or "", dict(question.declared))
        check_permitted(query, sandbox=question.sandbox)
        return checked(query, body, sandbox=question.sandbox) if question.runnable else query
    except CompileError as error:
        return str(error)
