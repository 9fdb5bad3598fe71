"""The simulator with a probe in its event loop: `python -m benchmarks.simulator_probed FILE ...`.

The probe wants to run every two milliseconds and keeps the longest time it had to wait beyond
that; SIGUSR1 writes it to FILE, in seconds, and begins anew. All other arguments are the
simulator's own.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Final

from typing_extensions import override

from services.simulator import service
from services.simulator.__main__ import main
from services.simulator.protocol import StoppableServer

_TICK_SECONDS: Final = 0.002
_FILE: Final = Path(sys.argv[1])


class _Probed(StoppableServer):
    """Measures the loop that it serves in."""

    _longest = 0.0

    @override
    async def main_loop(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._tell)
        self._tick(time.perf_counter())
        await super().main_loop()

    def _tick(self, due: float) -> None:
        now = time.perf_counter()
        self._longest = max(self._longest, now - due)
        asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick, now + _TICK_SECONDS)

    def _tell(self) -> None:
        partial = _FILE.with_suffix(".partial")
        partial.write_text(str(self._longest))
        partial.replace(_FILE)
        self._longest = 0.0


if __name__ == "__main__":
    vars(service)["StoppableServer"] = _Probed
    sys.exit(main(sys.argv[2:]))
