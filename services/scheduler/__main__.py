"""`python -m services.scheduler [--check]`."""

from services.scheduler.service import run
from services.scheduler.settings import SchedulerSettings
from shared.runtime.service import main

main("scheduler", SchedulerSettings, run)
