"""Stands in for the result store: `python -m benchmarks.load_files <port> <folder>`."""

import sys
from pathlib import Path

from aiohttp import web


def serve(port: int, folder: Path) -> None:
    """Files of one folder, handed over by the kernel."""
    app = web.Application()
    app.router.add_static("/", folder)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
