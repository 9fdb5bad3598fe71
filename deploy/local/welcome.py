"""What a new stack holds before anybody asks: the simulator's accounts and instances, registered.

Everything goes in through the public API, as a person would do it; doing it again changes nothing.
"""

from collections.abc import Callable

import httpx

from deploy.local.problems import LocalStackError
from deploy.local.stack import REFRESH_TOKEN, RunningStack

# As the simulator knows them: invented names and ids.
ACCOUNTS = {
    "ENTITY1SIMNORTHWIND": ("Northwind Outdoor", "ATVPDKIKX0DER"),
    "ENTITY2SIMTEEHAUS": ("Teehaus am Fluss", "A1PA6795UKMFR9"),
}
INSTANCES = {
    "amcsimnwus1": ("Northwind US", "ENTITY1SIMNORTHWIND"),
    "amcsimnwus2": ("Northwind US outlet", "ENTITY1SIMNORTHWIND"),
    "amcsimthde1": ("Teehaus DE", "ENTITY2SIMTEEHAUS"),
}
_CONFLICT = 409


class Api:
    """The public API, over plain HTTP."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    def get(self, path: str, **query: str | int) -> dict[str, object]:
        """A JSON answer; LocalStackError says what went wrong."""
        return self._json(self._http.get(path, params=query))

    def post(self, path: str, body: object = None) -> dict[str, object]:
        """A JSON answer; LocalStackError says what went wrong."""
        return self._json(self._http.post(path, json=body))

    def put(self, path: str, body: object) -> dict[str, object]:
        """A JSON answer; LocalStackError says what went wrong."""
        return self._json(self._http.put(path, json=body))

    def patch(self, path: str, body: object) -> dict[str, object]:
        """A JSON answer; LocalStackError says what went wrong."""
        return self._json(self._http.patch(path, json=body))

    def create(self, path: str, body: object) -> dict[str, object] | None:
        """None if it is there already."""
        answer = self._http.post(path, json=body)
        return None if answer.status_code == _CONFLICT else self._json(answer)

    def find(self, path: str, **wanted: str) -> dict[str, object]:
        """The first of a list whose members are these."""
        page = self.get(path, limit=200)
        for item in _items(page):
            if all(item.get(name) == value for name, value in wanted.items()):
                return item
        raise LocalStackError(f"{path} has nothing with {wanted}")

    def close(self) -> None:
        self._http.close()

    def _json(self, answer: httpx.Response) -> dict[str, object]:
        if answer.is_error:
            raise LocalStackError(
                f"{answer.request.method} {answer.request.url.path} answered"
                f" {answer.status_code}: {answer.text[:500]}"
            )
        found: dict[str, object] = answer.json() if answer.content else {}
        return found


def register(api: Api) -> None:
    """One login, two accounts, three instances."""
    login = {"name": "simulated login", "refresh_token": REFRESH_TOKEN, "region": "NA"}
    credential = api.create("/credentials", login)
    if credential is None:
        credential = api.find("/credentials", name="simulated login")
        # The keys of this stack may be newer than the database it found.
        api.put(f"/credentials/{credential['id']}/refresh_token", {"refresh_token": REFRESH_TOKEN})
    accounts = {}
    for entity, (name, marketplace) in ACCOUNTS.items():
        body = {"entity_id": entity, "marketplace_id": marketplace, "name": name}
        created = api.create("/accounts", {**body, "credential_id": credential["id"]})
        accounts[entity] = created or api.find("/accounts", entity_id=entity)
    for instance, (name, entity) in INSTANCES.items():
        body = {"instance_id": instance, "account_id": str(accounts[entity]["id"]), "name": name}
        api.create("/instances", body)


def welcome(stack: RunningStack, *, say: Callable[[str], None]) -> None:
    """Register, and tell a person what to do next."""
    api = Api(stack.api_url, stack.secrets.service_token)
    try:
        register(api)
    finally:
        api.close()
    say("")
    say(f"  API        {stack.api_url}/api/v1")
    say(f"  docs       {stack.api_url}/docs")
    say(f"  token      {stack.secrets.service_token}")
    say(f"  simulator  {stack.simulator_url}/_simulator/stats")
    say(f"  instances  {', '.join(INSTANCES)}")
    say("")
    say("  for programs: .amcflow/stack.json; Ctrl-C (or `make down`) stops everything")


def _items(page: dict[str, object]) -> list[dict[str, object]]:
    items = page["items"]
    if not isinstance(items, list):
        raise LocalStackError("the API answered a list without items")
    return items
