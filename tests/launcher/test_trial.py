"""`tillmesh try`, and the script that a person pastes: the same order, over real HTTP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.api import Api, Refused
from launcher.cli import run
from launcher.credentials import Credentials
from launcher.errors import CommandFailed
from launcher.identity import identify
from launcher.records import Probe, ProbeKind, ProcessRecord, Roster
from launcher.seeding import Seeding
from launcher.shop import PRODUCTS
from launcher.trial import place_order
from launcher.welcome import order_script, welcome
from servicekit.clock import SystemClock
from tests.launcher.conftest import FakeGateway

FOR_ADULTS = {product.sku for product in PRODUCTS if product.minimum_age}


@pytest.fixture
def api(address: str, credentials: Credentials) -> Iterator[Api]:
    """A gateway to a shop that is filled."""
    api = Api(address)
    Seeding(api, credentials).run()
    yield api
    api.close()


@pytest.fixture
def environ(api: Api, address: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a command that finds this gateway running."""
    roster = Roster(tmp_path / "processes.json", lambda _: None, SystemClock())
    roster.enter([ProcessRecord("gateway", {"http": int(address.rpartition(":")[2])})])
    roster.running("gateway", identify(os.getpid()), Probe(ProbeKind.GATEWAY, address))
    return {"TILLMESH_HOME": str(tmp_path)}


def test_the_cashier_buys_something_that_anybody_may_buy(
    api: Api, gateway: FakeGateway, credentials: Credentials
) -> None:
    trial = place_order(api, credentials.people["cashier"])

    assert trial.is_paid
    assert trial.order["lines"][0]["sku"] not in FOR_ADULTS
    assert gateway.orders == [trial.order]


def test_what_is_sold_out_is_passed_over(api: Api, gateway: FakeGateway, credentials: Credentials) -> None:
    gateway.stock["APPLE-1KG"] = 0

    assert place_order(api, credentials.people["cashier"]).order["lines"][0]["sku"] == "BANANA-1KG"


def test_an_empty_shop_is_said_to_be_empty(api: Api, gateway: FakeGateway, credentials: Credentials) -> None:
    gateway.stock.clear()

    with pytest.raises(CommandFailed, match="nothing left"):
        place_order(api, credentials.people["cashier"])


def test_a_refusal_is_told_in_the_gateways_words(
    api: Api, gateway: FakeGateway, credentials: Credentials
) -> None:
    gateway.is_failing = True

    with pytest.raises(Refused, match="POST /v1/auth/login: 500: something went wrong"):
        place_order(api, credentials.people["cashier"])


def test_the_command_ends_with_0_for_a_completed_order(
    environ: dict[str, str], gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["try", "--json"], environ) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["order"] == gateway.orders[0]
    assert said["seconds"] >= 0


@pytest.mark.parametrize("state", ["ORDER_STATE_REJECTED", "ORDER_STATE_PENDING"])
def test_the_command_ends_with_1_for_any_other_order(
    environ: dict[str, str], gateway: FakeGateway, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    gateway.order_state = state

    assert run(["try"], environ) == 1
    assert state in capsys.readouterr().out


def test_the_command_ends_with_3_when_no_gateway_runs(
    credentials: Credentials, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["try"], {"TILLMESH_HOME": str(tmp_path)}) == 3
    assert capsys.readouterr().err.startswith("tillmesh: No gateway runs")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the script needs curl")
def test_the_pasted_script_places_an_order(
    api: Api, address: str, gateway: FakeGateway, credentials: Credentials
) -> None:
    script = order_script(address, credentials)

    said = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)

    assert said.stderr == ""
    assert json.loads(said.stdout) == gateway.orders[0]


def test_passwords_are_told_once(address: str, credentials: Credentials, tmp_path: Path) -> None:
    first = welcome(address, credentials, tmp_path)
    again = welcome(address, Credentials.read(credentials.path), tmp_path)

    passwords = [person.password for person in credentials.people.values()]
    assert [password in first for password in passwords] == [True] * 3
    assert [password in again for password in passwords] == [False] * 3
    assert order_script(address, credentials) in again
