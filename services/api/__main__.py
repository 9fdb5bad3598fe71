"""`python -m services.api [--check]`."""

from services.api.service import run
from services.api.settings import ApiSettings
from shared.runtime.service import main

main("api", ApiSettings, run)
