"""Links to result files that look like S3's pre-signed ones and end as they do."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote, urlencode

from services.simulator.clock import moment

BUCKET = "amc-output-sim"
_DATE = "%Y%m%dT%H%M%SZ"


class LinkState(StrEnum):
    """What a store says to a link."""

    VALID = "valid"
    EXPIRED = "expired"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and checks links; `secret` is this process's own."""

    secret: bytes
    lifetime_seconds: int

    def query(self, key: str, now: float) -> str:
        """The query string that makes `key` readable until the lifetime is over."""
        date = f"{moment(now):{_DATE}}"
        expires = str(self.lifetime_seconds)
        return urlencode(
            {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": f"SIMULATOR/{date[:8]}/us-east-1/s3/aws4_request",
                "X-Amz-Date": date,
                "X-Amz-Expires": expires,
                "X-Amz-SignedHeaders": "host",
                "X-Amz-Signature": self._sign(key, date, expires),
            },
            quote_via=quote,
        )

    def check(self, key: str, query: Mapping[str, str], now: float) -> LinkState:
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        expected = self._sign(key, date, expires).encode()
        given = query.get("X-Amz-Signature", "").encode("utf-8", "replace")
        if not hmac.compare_digest(expected, given):
            return LinkState.FORGED
        signed_at = datetime.strptime(date, _DATE).replace(tzinfo=UTC).timestamp()
        # The date is cut to its second; the one more keeps a link from dying early.
        expired = now >= signed_at + int(expires) + 1
        return LinkState.EXPIRED if expired else LinkState.VALID

    def _sign(self, key: str, date: str, expires: str) -> str:
        text = f"{key}\n{date}\n{expires}".encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()
