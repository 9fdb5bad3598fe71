"""`python -m services.token_refresher [--check]`."""

from services.token_refresher.service import run
from services.token_refresher.settings import RefresherSettings
from shared.runtime.service import main

main("token_refresher", RefresherSettings, run)
