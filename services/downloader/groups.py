"""Picks the one error out of a task group that its caller has to act on."""

from shared.domain.errors import AmcflowError


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """A bug before an error of ours, else whichever came first."""
    leaves = _leaves(errors)
    bugs = [error for error in leaves if not isinstance(error, AmcflowError)]
    return (bugs or leaves)[0]


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
