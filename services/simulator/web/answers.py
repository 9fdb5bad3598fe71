"""Bodies and headers as Amazon writes them."""

import json
from collections.abc import Mapping

from starlette.responses import Response

from services.simulator.switches import Switches

WORKFLOWS = "application/vnd.amcworkflows.v1+json"
EXECUTIONS = "application/vnd.amcworkflowexecutions.v1+json"
SCHEDULES = "application/vnd.amcschedules.v1+json"
DATA_SOURCES = "application/vnd.amcdatasources.v1+json"
JSON = "application/json"
OCTETS = "application/octet-stream"

_THROTTLE_TEXT = "Too Many Requests"


def answer(payload: Mapping[str, object], media_type: str = JSON) -> Response:
    """200 with a JSON body."""
    return Response(json.dumps(payload), 200, media_type=media_type)


def empty_object() -> Response:
    """What creates, updates and deletes are answered with."""
    return Response(b"{}", 200, headers={"content-type": OCTETS})


def error(status: int, details: str, extra: Mapping[str, str] | None = None) -> Response:
    """The reporting API's error body: the status as text, and the details."""
    body = {"code": str(status), "details": details, **(extra or {})}
    return Response(json.dumps(body), status, media_type=JSON)


def message_error(status: int, message: str, request_id: str) -> Response:
    """The administration API's other error body."""
    body = {"message": message, "requestId": request_id}
    return Response(json.dumps(body), status, media_type=JSON)


def throttled(flavour: str, switches: Switches, details: str = _THROTTLE_TEXT) -> Response:
    """A 429 in one of the three forms that were captured."""
    if flavour == "html":
        page = (
            "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body>\r\n"
            "<center><h1>429 Too Many Requests</h1></center>\r\n<hr><center>openresty</center>\r\n"
            "</body>\r\n</html>\r\n"
        )
        return Response(page, 429, media_type="text/html")
    if flavour == "message":
        headers = {
            "x-amzn-errortype": "AccessDeniedException",
            "amazon-advertising-api-throttled": "true",
        }
        return Response(json.dumps({"message": _THROTTLE_TEXT}), 429, headers, media_type=JSON)
    reply = error(429, details)
    if switches.retry_after:
        reply.headers["retry-after"] = switches.retry_after
    return reply


def gateway_timeout() -> Response:
    return Response(json.dumps({"message": "Endpoint request timed out"}), 504, media_type=JSON)


def bad_gateway() -> Response:
    page = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
    return Response(page, 502, media_type="text/html")


def s3_error(
    status: int, code: str, message: str, *, more: Mapping[str, str], request_id: str
) -> Response:
    """The result store's XML."""
    ids = {"RequestId": request_id, "HostId": "simulator"}
    members = {"Code": code, "Message": message, **more, **ids}
    inner = "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in members.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Response(body, status, {"x-amz-request-id": request_id}, media_type="application/xml")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
