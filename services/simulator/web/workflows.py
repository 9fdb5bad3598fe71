"""The workflow operations of the reporting API."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.admission import undeclared_text
from services.simulator.bodies import WorkflowBody, read_body
from services.simulator.compiling import compile_aside, compiled
from services.simulator.execution import Workflow
from services.simulator.output_columns import first_difference
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.sql.source import CompileError
from services.simulator.switches import Switches
from services.simulator.web.answers import WORKFLOWS, answer, empty_object
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token
from services.simulator.world import Instance

_BASE = "/amc/reporting/{instance_id}/workflows"
_ID = re.compile(r"[A-Za-z0-9._-]{1,256}")


def compile_workflow(
    workflow_id: str, body: WorkflowBody, switches: Switches, *, sandbox: bool
) -> Workflow:
    """The workflow as saved; Refusal 400 in AMC's words if it does not compile."""
    if body.sql_query is None:
        # What an operation of `query` says is not published: nobody outside Amazon can run it.
        named = "" if body.query is None else " The simulator cannot run the operations of query."
        raise Refusal(400, f"sqlQuery must be provided.{named}")
    if switches.sql_line_ends == "refuse" and re.search(r"[\r\n\t]", body.sql_query):
        raise _uncompilable(workflow_id, "sqlQuery must not contain line ends or tabs.")
    runnable = switches.refuse_what_cannot_run
    try:
        workflow = Workflow(body, compiled(body, sandbox=sandbox, runnable=runnable))
    except CompileError as error:
        raise _uncompilable(workflow_id, str(error)) from None
    if workflow.undeclared and switches.undeclared_parameters == "create":
        raise _uncompilable(workflow_id, undeclared_text(workflow))
    if (difference := first_difference(body.output_columns, workflow.query.columns)) is not None:
        raise _uncompilable(workflow_id, difference)
    return workflow


def unknown_workflow(workflow_id: str, switches: Switches) -> Refusal:
    status = switches.unknown_workflow_status
    return Refusal(status, f"Workflow with ID {workflow_id} does not exist")


def _uncompilable(workflow_id: str, cause: str) -> Refusal:
    return Refusal(
        400,
        f"Was unable to compile workflow {workflow_id} because it was found to be invalid: {cause}",
    )


@dataclass(frozen=True, slots=True)
class Workflows:
    """Create, read, list, replace and delete saved workflows."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        item = _BASE + "/{workflow_id}"
        return [
            Route(_BASE, self.list_workflows, methods=["GET"]),
            Route(_BASE, self.create_workflow, methods=["POST"]),
            Route(item, self.get_workflow, methods=["GET"]),
            Route(item, self.update_workflow, methods=["PUT"]),
            Route(item, self.delete_workflow, methods=["DELETE"]),
        ]

    async def list_workflows(self, request: Request) -> Response:
        """By workflow id; the last page has no nextToken."""
        instance = self.door.instance(request)
        limit, after = page_limit(request), page_token(request) or ""
        found = sorted(name for name in instance.workflows if name > after)
        page = [_render(name, instance.workflows[name].body) for name in found[:limit]]
        more = {"nextToken": next_token(request, found[limit - 1])} if len(found) > limit else {}
        return answer({"workflows": page, **more}, WORKFLOWS)

    async def create_workflow(self, request: Request) -> Response:
        instance = self.door.instance(request)
        body = await self._read(request, instance)
        workflow_id = body.workflow_id or ""
        if not _ID.fullmatch(workflow_id):
            raise Refusal(400, "workflowId must consist of letters, digits, '.', '_' and '-'.")
        if workflow_id in instance.workflows:
            text = f"Workflow with ID {workflow_id} already exists."
            member = self.simulator.switches.duplicate_workflow_member
            status = self.simulator.switches.duplicate_workflow_status
            raise Refusal(status, text, extra={} if member == "details" else {"message": text})
        instance.workflows[workflow_id] = self._compiled(instance, workflow_id, body)
        instance.traffic.tally.workflows_created += 1
        return empty_object()

    async def get_workflow(self, request: Request) -> Response:
        instance, workflow_id = self._named(request)
        return answer(_render(workflow_id, instance.workflows[workflow_id].body), WORKFLOWS)

    async def update_workflow(self, request: Request) -> Response:
        """The body is the whole new definition; executions made before keep the old one."""
        instance, workflow_id = self._named(request)
        body = await self._read(request, instance)
        # Meanwhile somebody may have deleted it.
        instance, workflow_id = self._named(request)
        runs = instance.workflows[workflow_id].runs
        instance.workflows[workflow_id] = self._compiled(instance, workflow_id, body)
        instance.workflows[workflow_id].runs = runs
        return empty_object()

    async def delete_workflow(self, request: Request) -> Response:
        instance, workflow_id = self._named(request)
        for schedule_id, schedule in instance.schedules.items():
            if schedule.body.workflow_id == workflow_id:
                text = f"Workflow with ID {workflow_id} is used by schedule {schedule_id}."
                raise Refusal(400, text)
        del instance.workflows[workflow_id]
        return empty_object()

    async def _read(self, request: Request, instance: Instance) -> WorkflowBody:
        """The body, compiled beside the loop: what comes of it is known from here on."""
        body = read_body(WorkflowBody, await request.body())
        sandbox = instance.entry.type == "SANDBOX"
        runnable = self.simulator.switches.refuse_what_cannot_run
        await compile_aside(body, sandbox=sandbox, runnable=runnable)
        return body

    def _compiled(self, instance: Instance, workflow_id: str, body: WorkflowBody) -> Workflow:
        sandbox = instance.entry.type == "SANDBOX"
        return compile_workflow(workflow_id, body, self.simulator.switches, sandbox=sandbox)

    def _named(self, request: Request) -> tuple[Instance, str]:
        instance = self.door.instance(request)
        workflow_id = str(request.path_params["workflow_id"])
        if workflow_id not in instance.workflows:
            raise unknown_workflow(workflow_id, self.simulator.switches)
        return instance, workflow_id


def _render(workflow_id: str, body: WorkflowBody) -> dict[str, object]:
    members = body.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
    return dict(sorted({**members, "workflowId": workflow_id}.items()))
