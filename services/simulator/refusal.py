"""An answer that is an error, raised where the reason is known."""


class Refusal(Exception):
    """AMC's `{code, details}` with an HTTP status; `extra` are further members of the body."""

    def __init__(self, status: int, details: str, *, extra: dict[str, str] | None = None) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.extra = extra or {}


class Throttled(Refusal):
    """A 429; its body and headers follow the switches."""

    def __init__(self, details: str) -> None:
        super().__init__(429, details)
