"""Probes for `ProcessSpec.ready`."""

import http.client
from urllib.parse import urlsplit


def answers_http(url: str, *, seconds: float = 2.0) -> bool:
    """True for 200; anything else, refused connections included, is not ready yet."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
