"""`python -m services.submitter [--check]`."""

from services.submitter.service import run
from services.submitter.settings import SubmitterSettings
from shared.runtime.service import main

# Python's 700 are what work in hand has at any moment, all alive: to look at those was an eighth of
# a busy submitter's time. Not for every service: garbage in cycles stays as long, as a body does
# that the API refuses.
main("submitter", SubmitterSettings, run, young_objects=10_000)
