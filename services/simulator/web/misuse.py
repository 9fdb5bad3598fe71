"""What our own endpoints answer to a body they cannot read."""

from pydantic import ValidationError

from services.simulator.refusal import Refusal


def bad_request(problem: ValueError) -> Refusal:
    """A 400 that names the first wrong member."""
    if isinstance(problem, ValidationError):
        first = problem.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refusal(400, f"{place}: {first['msg']}")
    return Refusal(400, str(problem))
