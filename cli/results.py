"""`amcflow results`: the rows of completed executions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.api import at
from cli.session import AsJson, api_of, screen_of

app = typer.Typer(no_args_is_help=True, help="The rows of completed executions.")


class Format(StrEnum):
    """What a result can be downloaded as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@app.command("download")
def download(
    context: typer.Context,
    execution: Annotated[str, typer.Argument(help="ex_...")],
    *,
    kind: Annotated[Format, typer.Option("--format")] = Format.CSV,
    output: Annotated[Path | None, typer.Option(help="File; EXECUTION.FORMAT if none.")] = None,
    is_json: AsJson = False,
) -> None:
    """Write a result to a file, which appears once all of it is there."""
    target = output or Path(f"{Path(execution).name}.{kind}")
    size = api_of(context).save(at("executions", execution, "download"), {"format": kind}, target)
    screen_of(is_json).item(
        {"file": str(target), "size_bytes": size}, {"file": "file", "bytes": "size_bytes"}
    )


@app.callback()
def _group() -> None:
    """So that the one command keeps its name."""
