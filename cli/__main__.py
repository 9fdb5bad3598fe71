"""`amcflow`: the HTTP API at the command line.

Exit codes: 0 done; 1 refused, or ended otherwise than completed; 2 wrong usage or settings; 3 the
API cannot be reached or says to try again; 4 waited too long.
"""

import os
import sys
from collections.abc import Sequence

import httpx
import typer

from cli import executions, instances, parked, reconcile, results
from cli.api import Refused
from cli.screen import Screen
from cli.session import Session

_HELP = """Runs SQL workflows on Amazon Marketing Cloud.

AMCFLOW_URL is the address of the API (http://127.0.0.1:8000), AMCFLOW_TOKEN a service token; both
come from the environment alone.
"""
_EPILOG = (
    "Exit codes: 0 done, 1 refused or not completed, 2 wrong usage or settings, 3 not reachable:"
    " try again, 4 waited too long."
)

app = typer.Typer(
    name="amcflow",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
admin = typer.Typer(no_args_is_help=True, help="For operators.")
admin.add_typer(parked.app, name="parked")
admin.add_typer(reconcile.app, name="reconcile")
admin.add_typer(instances.app, name="instances")
app.add_typer(executions.app, name="executions")
app.add_typer(results.app, name="results")
app.add_typer(admin, name="admin")


def run(arguments: Sequence[str], session: Session) -> int:
    """Carry out one call; its exit code."""
    try:
        app(args=list(arguments), prog_name="amcflow", obj=session)
    except Refused as error:
        screen = Screen(is_json=False)
        screen.say(f"amcflow: {error}")
        if error.hint:
            screen.say(f"  {error.hint}")
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def main(transport: httpx.BaseTransport | None = None) -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:], Session(os.environ, transport)))


if __name__ == "__main__":
    main()
