"""`python -m services.poller [--check]`."""

from services.poller.service import run
from services.poller.settings import PollerSettings
from shared.runtime.service import main

main("poller", PollerSettings, run)
