"""An independent client: plain httpx, the headers of section 1.1, and nothing of ours."""

import pytest


@pytest.fixture
def base(amc) -> str:
    """Where the reporting API of the first instance is."""
    return "/amc/reporting/amcsimnwus1"


@pytest.fixture
def client(amc):
    """Logged in, with the headers that every AMC call needs."""
    return amc.http


@pytest.fixture
def later(amc):
    """Lets time pass, and logs in again so that no token is too old."""

    def pass_(seconds: float) -> None:
        amc.clock.pass_(seconds)
        amc.log_in()

    return pass_
