"""The one door where httpx's errors become ours.

Our transport promises that ConnectError, ConnectTimeout, PoolTimeout and UnsupportedProtocol are
raised before the first byte only; whatever else happens may have reached AMC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from shared.domain.errors import AmcUnavailable, InDoubtError

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


@contextmanager
def amc_errors(call: str, *, safe_to_repeat: bool) -> Iterator[None]:
    """AmcUnavailable if nothing was sent or repeating does no harm, InDoubtError otherwise.

    Our own errors and a cancelled task pass through: a cancelled create stays in doubt by the
    settle timer that was written with its intent.
    """
    try:
        yield
    except _NOT_SENT as error:
        raise AmcUnavailable(f"{call}: Amazon cannot be reached ({_short(error)}).") from error
    except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
        if safe_to_repeat:
            raise AmcUnavailable(f"{call}: no whole answer ({_short(error)}).") from error
        raise InDoubtError(
            f"{call}: the request may have reached AMC, no answer did ({_short(error)})."
        ) from error


def _short(error: Exception) -> str:
    # The text of a foreign error may hold a URL with a signature; its class never does.
    return type(error).__name__
