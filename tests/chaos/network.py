"""The network of a town in a process of its own, and how the harness takes hold of it.

The harness has some thirty threads at work; proxies in one more would let calls through when they
get their turn, in bunches, and the judge could not tell that from a breach of the rate budget.
"""

import threading
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tests.chaos.proxy import Proxies

_ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """One port in front of one server; see `proxy.Proxy` for what each order does."""

    name: str
    network: "Network"

    @property
    def cut(self) -> int:
        """Connections cut so far."""
        return self.network.order(self.name, "")[0]

    @property
    def held(self) -> int:
        """Chunks of bytes that came while nothing was let through, or were refused."""
        return self.network.order(self.name, "")[1]

    def listen(self) -> None:
        self.network.order(self.name, "listen")

    def cut_all(self) -> None:
        self.network.order(self.name, "cut_all")

    def stall(self) -> None:
        self.network.order(self.name, "stall")

    def flow(self, *, release: bool) -> None:
        self.network.order(self.name, "flow", release=release)

    def refuse(self) -> None:
        self.network.order(self.name, "refuse")

    def cut_after(self, count: int | None) -> None:
        self.network.order(self.name, "cut_after", count=count)


@dataclass(eq=False)
class Network:
    """All proxies of a town; any thread may give orders, one at a time."""

    proxies: dict[str, Proxy] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        context = get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="network", daemon=True)
        self._process.start()
        theirs.close()

    def proxy(self, name: str, port: int, target: tuple[str, int]) -> Proxy:
        """The proxy of this name; made and listening after the first call."""
        if name not in self.proxies:
            self.order(name, "new", port=port, target=target)
            self.proxies[name] = Proxy(name, self)
            self.ports[name] = port
        return self.proxies[name]

    def order(self, name: str, what: str, **how: object) -> tuple[int, int]:
        """Done when it returns; what was cut and held so far. An empty order only asks."""
        with self._lock:
            self._orders.send((name, what, how))
            assert self._orders.poll(_ANSWER_SECONDS), f"the network did not {what} {name}"
            answer = self._orders.recv()
        if isinstance(answer, Exception):
            raise answer
        cut, held = answer
        return cut, held

    def heal(self) -> None:
        """Everything passes again."""
        for proxy in self.proxies.values():
            proxy.cut_after(None)
            proxy.flow(release=True)
            proxy.listen()

    def close(self) -> None:
        """Everything ends, and the process with it."""
        self._orders.close()
        self._process.join(10)


def _serve(orders: "Connection[Any, Any]") -> None:
    """Until the harness closes its end, or dies."""
    proxies = Proxies()
    while True:
        try:
            name, what, how = orders.recv()
        except EOFError:
            break
        try:
            orders.send(proxies.carry_out(name, what, how))
        except Exception as error:  # noqa: BLE001 - told to whoever gave the order
            orders.send(RuntimeError(f"{what} {name}: {error!r}"))
    proxies.close()
