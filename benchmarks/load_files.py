"""Stands in for the result store: `python -m benchmarks.load_files <port> <folder>`."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from benchmarks.processes import environment, running
from deploy.local.owned import wait_until
from deploy.local.ports import free_ports, is_free


@contextlib.contextmanager
def files_served(folder: Path, *, log: Path) -> Iterator[str]:
    """The address below which the folder's files are."""
    port = free_ports(1)[0]
    argv = (sys.executable, "-m", "benchmarks.load_files", str(port), str(folder))
    with running(argv, log=log, env=environment()):
        assert wait_until(lambda: not is_free(port), seconds=20), f"see {log}"
        yield f"http://127.0.0.1:{port}"


def serve(port: int, folder: Path) -> None:
    """Files of one folder, handed over by the kernel."""
    app = web.Application()
    app.router.add_static("/", folder)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
