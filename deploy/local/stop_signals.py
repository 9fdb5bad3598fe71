"""Ctrl-C and SIGTERM: the first unwinds, the second ends this process on the spot."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(KeyboardInterrupt):
    """Raised once in the main thread, wherever it is; every `with` then ends what it owns."""


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """What is owned dies with us (`deploy.local.owned`), so the second signal need not clean up."""
    seen: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            os._exit(128 + number)
        print("stopping (once more to stop at once)", file=sys.stderr, flush=True)
        raise StopRequested

    before = {number: signal.signal(number, stop) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
