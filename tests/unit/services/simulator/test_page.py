"""The page for people, and what the journal must not tell."""

from html.parser import HTMLParser


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
    execution_id = await amc.started('SELECT campaign AS "<b>", COUNT(*) AS n FROM dsp_clicks GROUP BY 1')
    await amc.http.post("/_simulator/faults", json={"fault": "slow:1", "match": {"method": "PUT"}})

    answer = await amc.http.get("/_simulator/")

    assert answer.headers["content-type"].startswith("text/html")
    for text in ("amcsimnwus1", execution_id, "slow:1", "PENDING", "limits_enabled", "calm"):
        assert text in answer.text
    for title in ("Instances", "Executions", "Faults", "Journal", "Switches"):
        assert f"<h2>{title}" in answer.text


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
