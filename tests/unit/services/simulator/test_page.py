"""The page for people, and what the journal must not tell."""

from html.parser import HTMLParser

import pytest

from tests.unit.services.simulator.conftest import SQL


class Tags(HTMLParser):
    """Every tag of a page with its attributes, checked to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


async def test_the_page_shows_instances_executions_faults_journal_and_switches(amc):
    execution_id = await amc.started(
        'SELECT campaign AS "<b>", COUNT(*) AS n FROM dsp_clicks GROUP BY 1'
    )
    await amc.http.post("/_simulator/faults", json={"fault": "slow:1", "match": {"method": "PUT"}})

    answer = await amc.http.get("/_simulator/")

    assert answer.headers["content-type"].startswith("text/html")
    for text in ("amcsimnwus1", execution_id, "slow:1", "PENDING", "limits_enabled", "calm"):
        assert text in answer.text
    for title in ("Instances", "Executions", "Journal", "Schedules", "Faults", "Switches"):
        assert f'<h2 id="{title.lower()}">{title}' in answer.text
        assert f'<a href="#{title.lower()}">' in answer.text


async def test_the_page_is_well_formed_and_needs_nothing_from_outside(amc):
    await amc.started('SELECT COUNT(*) AS n FROM dsp_clicks -- simulator: fail "<script>"')
    amc.clock.pass_(100)
    answer = await amc.http.get("/_simulator/")

    tags = Tags(answer.text)
    assert tags.open == []
    assert ("html", {"lang": "en"}) in tags.seen
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags.seen}
    assert all(attrs.get("scope") == "col" for tag, attrs in tags.seen if tag == "th")
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_what_went_wrong_is_marked(amc):
    await amc.started(f'{SQL} -- simulator: fail "no memory"')
    amc.clock.pass_(100)
    await amc.get("/workflows/absent")

    rows = [attrs for tag, attrs in Tags((await amc.http.get("/_simulator/")).text).seen]

    assert sum(attrs.get("class") == "bad" for attrs in rows) == 2


ATTACKS = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</td></table><svg/onload=x>",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_that_a_caller_sends_becomes_markup(amc, attack):
    reason = attack.replace('"', "")
    await amc.save("wf", f'{SQL} -- simulator: fail "{reason}"')
    await amc.run()
    await amc.run(workflowId="", workflow={"workflowId": attack, "sqlQuery": SQL})
    amc.clock.pass_(100)
    await amc.http.get(f"/amc/{attack}")
    await amc.http.request("X<B>", "/amc/accounts")
    match = {"path_regex": attack.replace("(", "").replace(")", ""), "instance_id": attack}
    await amc.http.post("/_simulator/faults", json={"fault": "500", "match": match})
    entry = {"accountId": "A", "marketplaceId": "B", "accountName": attack}
    instance = {"instanceId": "i", "accountId": "A", "instanceName": attack}
    await amc.http.post("/_simulator/world", json={"accounts": [entry], "instances": [instance]})
    await amc.http.put("/_simulator/switches", json={"retry_after": attack})

    page = await amc.http.get("/_simulator/")

    tags = Tags(page.text)
    assert tags.open == []
    assert not {"script", "img", "svg", "b"} & {tag for tag, _ in tags.seen}
    assert not any("onerror" in attrs or "onload" in attrs for _, attrs in tags.seen)
    assert "&lt;" in page.text


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_consent_page_shows_what_it_was_asked_as_text(amc, attack):
    asked = {
        "client_id": amc.simulator.settings.client_id,
        "scope": "profile",
        "response_type": "code",
        "redirect_uri": f"https://a.example/{attack}",
        "state": attack,
    }

    page = await amc.http.get("/ap/oa", params=asked)

    tags = Tags(page.text)
    assert page.status_code == 200
    assert not {"script", "img", "svg"} & {tag for tag, _ in tags.seen}
    assert {"state": attack}.items() <= {
        attrs.get("name"): attrs.get("value") for tag, attrs in tags.seen if tag == "input"
    }.items()


async def test_looking_at_the_page_is_not_in_the_journal(amc):
    await amc.http.get("/_simulator/")

    assert (await amc.http.get("/_simulator/journal")).json() == {"entries": []}


async def test_the_journal_masks_tokens_and_codes_in_paths(amc):
    code = (await amc.http.post("/_simulator/authorization-codes")).json()["code"]
    for secret in ("Atza|abc", "Atzr%7Csim-default", code):
        await amc.http.get(f"/callback/{secret}/end?access_token=Atza|query")

    text = (await amc.http.get("/_simulator/journal")).text

    assert text.count("/callback/(masked)/end") == 3
    assert "Atz" not in text
    assert code not in text


async def test_no_secret_is_in_the_journal_the_page_or_the_log_of_what_was_refused(amc, capfd):
    settings = amc.simulator.settings
    secrets = {
        "Atza|SECRET-access", "Atzr|SECRET-refresh", "SECRET-client", "SECRET-verifier",
        settings.client_secret.get_secret_value(), "SECRET-signature", "SECRET-basic",
    }  # fmt: skip
    form = {
        "grant_type": "refresh_token", "refresh_token": "Atzr|SECRET-refresh",
        "client_id": settings.client_id, "client_secret": "SECRET-client",
        "code_verifier": "SECRET-verifier",
    }  # fmt: skip
    await amc.http.post("/auth/o2/token", data=form)
    await amc.http.post("/auth/o2/token", json=form)
    await amc.http.post("/auth/o2/token", params=form, auth=("x", "SECRET-basic"))
    await amc.http.post("/auth/o2/token/client_secret=SECRET-client;Atzr|SECRET-refresh")
    for path in ("/user/profile", "/amc/accounts", "/user/profile/access_token=Atza|SECRET-access"):
        await amc.http.get(
            path,
            params={"access_token": "Atza|SECRET-access"},
            headers={"Authorization": "Bearer Atza|SECRET-access"},
        )
    await amc.http.get("/_simulator/s3/b/k?X-Amz-Signature=SECRET-signature")
    await amc.http.get("/amc/Bearer%20Atza%7CSECRET-access")
    await amc.http.get("/amc/Bearer%20Atza%25257CSECRET-access")
    await amc.http.get("/cb;access_token%253DSECRET-access&Code=SECRET-client/end")

    seen = [
        (await amc.http.get(f"/_simulator/{path}")).text
        for path in ("", "journal", "stats", "faults", "switches", "world", "executions")
    ]
    seen += list(capfd.readouterr())

    assert [(secret, text[:40]) for secret in secrets for text in seen if secret in text] == []
    assert not any("SECRET-" in text for text in seen)
