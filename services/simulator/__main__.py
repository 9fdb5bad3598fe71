"""Starts the simulator: `python -m services.simulator --help` lists the flags."""

import sys

from pydantic import ValidationError
from pydantic_settings import CliApp

from services.simulator.clock import SystemClock
from services.simulator.service import serve
from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after a signal, 2 with one line on stderr for what cannot be."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        settings = CliApp.run(SimulatorSettings, cli_args=given)
        if settings.check:
            build_simulator(settings, SystemClock())
        else:
            serve(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        sys.stderr.write(f"simulator: {place}: {first['msg']}\n")
        return 2
    except (OSError, ValueError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
