"""The execution operations of the reporting API."""

from dataclasses import dataclass, replace
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.admission import (
    check_concurrency,
    check_daily_runs,
    parameter_values,
    refusal_of,
)
from services.simulator.bodies import ExecutionBody, ExecutionChange, read_body
from services.simulator.compiling import compile_aside
from services.simulator.execution import ACTIVE, Cadence, Execution, Order, Status, Workflow
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.web.answers import EXECUTIONS, answer, empty_object
from services.simulator.web.door import Door
from services.simulator.web.execution_list import select_page
from services.simulator.web.object_store import result_links
from services.simulator.web.paging import flag
from services.simulator.web.rendering import View, render_execution
from services.simulator.web.workflows import compile_workflow, unknown_workflow
from services.simulator.windows import resolve_window
from services.simulator.world import Instance

_BASE = "/amc/reporting/{instance_id}/workflowExecutions"


@dataclass(frozen=True, slots=True)
class Executions:
    """Create, read, list and cancel executions, and the links to their results."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        item = _BASE + "/{execution_id}"
        return [
            Route(_BASE, self.list_executions, methods=["GET"]),
            Route(_BASE, self.create_execution, methods=["POST"]),
            Route(item, self.get_execution, methods=["GET"]),
            Route(item, self.change_execution, methods=["PUT"]),
            Route(item, self.delete_execution, methods=["DELETE"]),
            Route(item + "/downloadUrls", self.download_urls, methods=["GET"]),
        ]

    async def list_executions(self, request: Request) -> Response:
        instance = self.door.instance(request)
        page, more, with_sql = select_page(instance, request, self.simulator.switches)
        then = self._view(request.state.at - self.simulator.switches.list_lag_seconds)
        shown = [render_execution(execution, then, with_sql=with_sql) for execution in page]
        return answer({"executions": shown, **({"nextToken": more} if more else {})}, EXECUTIONS)

    async def create_execution(self, request: Request) -> Response:
        instance = self.door.instance(request)
        raw = await request.body()
        await self.prepare(instance, raw)
        at: float = request.state.at
        return answer(render_execution(self.create(instance, raw, at), self._view(at)), EXECUTIONS)

    async def get_execution(self, request: Request) -> Response:
        execution, with_sql = self._named(request), flag(request, "includeWorkflow")
        view = self._view(request.state.at)
        return answer(render_execution(execution, view, with_sql=with_sql), EXECUTIONS)

    async def change_execution(self, request: Request) -> Response:
        """A partial update: status CANCELLED cancels, other members untouched."""
        execution = self._named(request)
        change = read_body(ExecutionChange, await request.body())
        if execution.status not in ACTIVE:
            text = f"Workflow execution with ID {execution.id} is already {execution.status}."
            raise Refusal(400, text)
        if change.status is not None and change.status.upper() != Status.CANCELLED:
            raise Refusal(400, "status can only be changed to CANCELLED.")
        if change.disable_aggregation_controls is not None:
            execution.disable_aggregation_controls = change.disable_aggregation_controls
        if change.status is not None:
            self.simulator.engine.cancel(execution, request.state.at)
        return empty_object()

    async def delete_execution(self, request: Request) -> Response:
        """Named in Amazon's guide and not in its schema: what it does is a switch."""
        execution = self._named(request)
        mode = self.simulator.switches.delete_execution
        if mode == "refuse":
            raise Refusal(405, "Method Not Allowed")
        if execution.status in ACTIVE:
            self.simulator.engine.cancel(execution, request.state.at)
        elif mode == "cancel":
            text = f"Workflow execution with ID {execution.id} is already {execution.status}."
            raise Refusal(400, text)
        if mode == "remove":
            self.simulator.engine.hide(execution)
        return empty_object()

    async def download_urls(self, request: Request) -> Response:
        execution = self._named(request)
        if not execution.has_result:
            status = self.simulator.switches.unavailable_download_status
            text = f"Execution with ID {execution.id} is unavailable for download."
            raise Refusal(status, text)
        if self.simulator.bucket is not None:
            files, metadata = await self.simulator.bucket.links(execution)
            return answer({"downloadUrls": files, "metadataDownloadUrls": metadata}, EXECUTIONS)
        await self.simulator.results.ready(execution)
        base = self.simulator.public_base(request.headers.get("host", "localhost"))
        links = result_links(self.simulator, execution, base, request.state.at)
        return answer(
            {"downloadUrls": links.files, "metadataDownloadUrls": links.metadata}, EXECUTIONS
        )

    async def prepare(self, instance: Instance, raw: bytes) -> None:
        """Compiles an ad-hoc workflow beside the loop, so that `create` need not."""
        await compile_aside(
            read_body(ExecutionBody, raw).workflow,
            sandbox=instance.entry.type == "SANDBOX",
            runnable=self.simulator.switches.refuse_what_cannot_run,
        )

    def create(self, instance: Instance, raw: bytes, at: float) -> Execution:
        """Takes in one execution as of `at`; Refusal if AMC would not."""
        order = self._order(instance, read_body(ExecutionBody, raw), at)
        switches = self.simulator.switches
        check_concurrency(instance, switches, self.simulator.engine.limit(instance))
        check_daily_runs(instance, switches, at)
        return self._take(instance, order, at)

    def create_scheduled(
        self, instance: Instance, body: ExecutionBody, at: float, cadence: Cadence
    ) -> Execution:
        """Takes in what a schedule asks for: it waits for a place whatever the switches say."""
        order = self._order(instance, body, at)
        return self._take(instance, replace(order, cadence=cadence), at)

    def _view(self, at: float) -> View:
        switches, scale = self.simulator.switches, self.simulator.settings.time_scale
        seconds = switches.publishing_seconds / scale
        return View(at, seconds, scale, output_channels=switches.output_channels)

    def _take(self, instance: Instance, order: Order, at: float) -> Execution:
        saved = instance.workflows.get(order.workflow_id)
        if saved is not None and saved.body is order.definition:
            saved.runs = order.run
        return self.simulator.engine.create(instance, order, at)

    def _order(self, instance: Instance, body: ExecutionBody, at: float) -> Order:
        workflow_id, workflow = self._workflow(instance, body)
        window = resolve_window(body, at, trailing_z=self.simulator.switches.trailing_z)
        values = parameter_values(workflow, body)
        return Order(
            workflow_id=workflow_id,
            query=workflow.query,
            body=body,
            window=window,
            parameter_values=values,
            refusal=refusal_of(instance, workflow, body),
            run=workflow.runs + 1,
            definition=workflow.body,
            controls=instance.entry.type != "SANDBOX" or not body.disable_aggregation_controls,
        )

    def _workflow(self, instance: Instance, body: ExecutionBody) -> tuple[str, Workflow]:
        if (body.workflow_id is None) == (body.workflow is None):
            raise Refusal(400, "Exactly one of workflowId and workflow must be provided.")
        switches = self.simulator.switches
        if body.workflow is not None:
            workflow_id = body.workflow.workflow_id or f"transient_{uuid4()}"
            sandbox = instance.entry.type == "SANDBOX"
            compiled = compile_workflow(workflow_id, body.workflow, switches, sandbox=sandbox)
            return workflow_id, compiled
        workflow_id = body.workflow_id or ""
        if workflow_id not in instance.workflows:
            raise unknown_workflow(workflow_id, switches)
        return workflow_id, instance.workflows[workflow_id]

    def _named(self, request: Request) -> Execution:
        instance = self.door.instance(request)
        execution_id = str(request.path_params["execution_id"])
        found = self.simulator.engine.find(execution_id)
        if found is None or found.hidden or found.instance is not instance:
            raise Refusal(400, f"Workflow execution with ID {execution_id} does not exist.")
        return found
