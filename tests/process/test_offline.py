"""What tills sold offline arrives once and in order, whatever dies: judged by the shop and the provider."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.process.mesh import Mesh, eventually
from tests.process.tills import Judge, Partition, Shop, Till

VICTIMS = ("orders", "payments", "postgres")


class Trial:
    """Tills that send through a network that is cut, to a shop whose processes are killed."""

    def __init__(self, mesh: Mesh, *, tills: int, sales: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.mesh = mesh
        self.shop = Shop(mesh).open(units=min(1_000_000, 10 * tills * sales))
        self.tills = [Till(self.shop, number, sales, self.chance) for number in range(tills)]
        self.judge = Judge(self.shop, self.tills)
        self.seconds = 0.0

    def run(self, kills: list[str], *, between_seconds: float, within_seconds: float) -> None:
        """Send, kill and cut; then wait until nothing waits."""
        headers = {"Authorization": self.mesh.headers()["Authorization"]}
        begun = time.monotonic()
        until = begun + within_seconds
        with Partition(self.mesh.port_base) as network, ThreadPoolExecutor(len(self.tills) + 1) as pool:
            address = f"http://127.0.0.1:{network.port}"
            sending = [pool.submit(self._send, address, till, headers, until) for till in self.tills]
            trouble = pool.submit(self._trouble, network, kills, between_seconds)
            for done in [*sending, trouble]:
                done.result()
        self.mesh.ready()
        eventually(lambda: self.judge.waiting() == 0, until - time.monotonic())
        self.seconds = time.monotonic() - begun

    def _send(self, address: str, till: Till, headers: dict[str, str], until: float) -> None:
        with httpx.Client(base_url=address, timeout=10, trust_env=False) as http:
            till.send(http, headers, until)

    def _trouble(self, network: Partition, kills: list[str], between_seconds: float) -> None:
        time.sleep(0.2)
        network.cut()
        time.sleep(1)
        network.heal()
        pause = threading.Event()
        for victim in kills:
            pause.wait(between_seconds)
            self.mesh.kill(victim)


@pytest.mark.timeout(200)
def test_sales_made_offline_end_once_and_in_order(mesh: Mesh) -> None:
    trial = Trial(mesh, tills=6, sales=50, seed=1)

    trial.run(["orders", "payments"], between_seconds=1, within_seconds=150)

    trial.judge.judge()


def test_control_a_sale_that_is_ordered_twice_would_be_noticed(mesh: Mesh) -> None:
    trial = Trial(mesh, tills=1, sales=5, seed=2)
    trial.run([], between_seconds=0, within_seconds=60)
    trial.judge.judge()
    (till,) = trial.tills
    paid = next(sale for sale in till.sold if till.expected[int(sale["sequence"])] == "")

    twice = mesh.http.post("/v1/orders", json={**paid["order"], "tillId": till.id}, headers=mesh.headers())

    assert twice.status_code == 201, twice.text
    with pytest.raises(AssertionError, match="doubled"):
        trial.judge.judge()


@pytest.mark.proof
@pytest.mark.timeout(2000)
def test_the_offline_queue_loses_nothing(start_mesh: Callable[..., Mesh], *, torture: bool) -> None:
    seed = random.SystemRandom().randrange(2**32)
    tills, sales, kills = (20, 500, 12) if torture else (20, 100, 6)
    print(f"seed {seed}: {tills * sales} sales of {tills} tills, {kills} kills, one partition")
    trial = Trial(start_mesh(), tills=tills, sales=sales, seed=seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]

    trial.run(victims, between_seconds=5, within_seconds=1900)

    print(f"all ended after {trial.seconds:.0f} s: {tills * sales / trial.seconds:.1f} sales a second")
    trial.judge.judge()
