"""`python -m services.submitter [--check]`."""

from services.submitter.service import run
from services.submitter.settings import SubmitterSettings
from shared.runtime.service import main

main("submitter", SubmitterSettings, run)
