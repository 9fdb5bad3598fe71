"""Links from outside: which are fetched, and the tricks that are not."""

import pytest

from shared.amc.link_policy import AllowedHosts, ResultLinkRefused, SimulatorOnly

POLICY = AllowedHosts((".s3.us-east-1.amazonaws.com",))
HOST = "amc-output-prod-iad.s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "link",
    [
        f"https://{HOST}/a/b.csv?X-Amz-Signature=ab%2Fcd&X-Amz-Expires=600",
        f"https://{HOST}:443/a",
        f"https://{HOST.upper()}/a",
    ],
)
def test_the_result_stores_own_links_pass(link: str) -> None:
    assert POLICY.check(link).host == HOST


@pytest.mark.parametrize(
    "link",
    [
        f"http://{HOST}/a",
        f"https://{HOST}:8443/a",
        f"https://{HOST}",
        f"https://{HOST}.evil.test/a",
        f"https://evil.test/{HOST}",
        "https://evil.test/.s3.us-east-1.amazonaws.com",
        "https://s3.us-east-1.amazonaws.com/a",
        "https://evils3.us-east-1.amazonaws.com/a",
        f"https://user@{HOST}/a",
        f"https://{HOST}@evil.test/a",
        f"https://evil.test\\@{HOST}/a",
        f"https://evil.test#@{HOST}/a",
        f"https://{HOST}./a",
        f"https://{HOST}%00.evil.test/a",
        "https://127.0.0.1/a",
        "https://2130706433/a",
        "https://0x7f.1/a",
        "https://[::1]/a",
        "https://[::ffff:169.254.169.254]/a",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "//evil.test/a",
        "",
        f"https://{HOST}/a b",
        f"https://{HOST}/a\r\nX: y",
        f"https://{HOST}/\N{FULLWIDTH FULL STOP}",
        f"https://{HOST}/" + "a" * 20_000,
        f"https://{HOST}:99999/a",
    ],
)
def test_a_hostile_link_is_refused(link: str) -> None:
    with pytest.raises(ResultLinkRefused) as caught:
        POLICY.check(link)

    assert "meta-data" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["", "amazonaws.com", ".com", ".0.1", "*.s3.amazonaws.com"])
def test_a_suffix_that_would_let_too_much_through_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        AllowedHosts((suffix,))


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1:9/a", "https://127.0.0.1:8080/a", "http://localhost:8080/a", "http://x/"],
)
def test_a_simulators_links_stay_with_the_simulator(link: str) -> None:
    policy = SimulatorOnly("http://127.0.0.1:8080")

    assert policy.check("http://127.0.0.1:8080/result?s=1").port == 8080
    with pytest.raises(ResultLinkRefused):
        policy.check(link)
