"""Flags come from a flagd file, hold for a customer, and never fail whoever asks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from servicekit.context import RequestContext, scope
from servicekit.flags import FLAGS, Flags, FlagSettings, faults_of, open_flags
from servicekit.instruments import Instruments

LAYOUT: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"plain": "plain", "fancy": "fancy"},
    "defaultVariant": "plain",
    "targeting": {"fractional": [["plain", 50], ["fancy", 50]]},
}
TOGGLE: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}

Open = Callable[..., Flags]


def flag_file(folder: Path, **flags: dict[str, Any]) -> Path:
    file = folder / "flags.json"
    file.write_text(json.dumps({"flags": flags}))
    return file


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("nobody")


@pytest.fixture
def opened(instruments: Instruments) -> Iterator[Open]:
    made: list[Flags] = []

    def make(**settings: Any) -> Flags:
        made.append(open_flags(FlagSettings(**settings), instruments))
        return made[-1]

    yield make
    for flags in made:
        flags.close()


def evaluations(instruments: Instruments, **labels: str) -> float | None:
    return instruments.registry.get_sample_value("flag_evaluations_total", labels)


def test_a_toggle_is_what_the_file_says(opened: Open, tmp_path: Path) -> None:
    off = {**TOGGLE, "defaultVariant": "off"}

    flags = opened(flags_file=flag_file(tmp_path, sales=TOGGLE, returns=off))

    assert flags.is_on("sales", "alice")
    assert not flags.is_on("returns", "alice")


def test_a_customer_keeps_a_variant_and_customers_are_shared_out_evenly(opened: Open, tmp_path: Path) -> None:
    file = flag_file(tmp_path, layout=LAYOUT)
    flags, others = opened(flags_file=file), opened(flags_file=file)
    customers = [f"customer-{number}" for number in range(2000)]

    given = [flags.variant("layout", customer, "plain") for customer in customers]

    assert given == [others.variant("layout", customer, "plain") for customer in customers]
    assert 900 < Counter(given)["fancy"] < 1100


def test_a_flag_that_is_not_there_has_its_default_and_counts_as_an_error(
    opened: Open, instruments: Instruments, tmp_path: Path
) -> None:
    flags = opened(flags_file=flag_file(tmp_path, sales=TOGGLE))

    assert not flags.is_on("rumours", "alice")
    assert flags.variant("layout", "alice", "plain") == "plain"
    assert evaluations(instruments, flag="rumours", variant="none", reason="error") == 1


def test_evaluations_count_by_variant_but_not_those_of_synthetic_traffic(
    opened: Open, instruments: Instruments, tmp_path: Path
) -> None:
    flags = opened(flags_file=flag_file(tmp_path, sales=TOGGLE))

    flags.is_on("sales", "alice")
    with scope(RequestContext(synthetic=True)):
        flags.is_on("sales", "robot")

    assert evaluations(instruments, flag="sales", variant="on", reason="static") == 1


def test_a_flagd_that_is_away_leaves_the_defaults_and_holds_nobody_up(
    opened: Open, free_ports: Callable[[int], list[int]]
) -> None:
    flags = opened(flagd_target=f"127.0.0.1:{free_ports(1)[0]}")

    assert not flags.is_on("split-payments", "alice")
    assert flags.variant("receipt-layout", "alice", "plain") == "plain"


async def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servicekit.flags._LOOK_MILLISECONDS", 10)
    file = flag_file(tmp_path, sales=TOGGLE)
    flags = opened(flags_file=file)

    flag_file(tmp_path, sales={**TOGGLE, "defaultVariant": "off"})
    async with asyncio.timeout(10):
        while flags.is_on("sales", "alice"):
            await asyncio.sleep(0.01)
    file.write_text("{")
    await asyncio.sleep(0.05)

    assert not flags.is_on("sales", "alice")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "Expecting property name"),
        ("[]", "is not in the form of flagd"),
        ('{"flags": []}', "must be a dictionary"),
        ('{"flags": {"a": {"state": "MAYBE", "variants": {"on": true}}}}', "Incorrect 'state'"),
        ('{"flags": {"a": {"state": "ENABLED", "variants": {}}}}', "Incorrect 'variants'"),
        (json.dumps({"flags": {"a": {**TOGGLE, "defaultVariant": "of"}}}), "a: defaultVariant 'of' is none"),
        (json.dumps({"flags": {"a": {**TOGGLE, "variants": {"on": True, "off": 0}}}}), "a: its variants are"),
    ],
)
def test_a_broken_file_is_refused_with_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "flags.json"
    file.write_text(text)

    with pytest.raises(ValidationError, match="flags_file") as refused:
        FlagSettings(flags_file=file)

    assert f"{file}: " in str(refused.value)
    assert fault in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="No such file"):
        FlagSettings(flags_file=tmp_path / "none.json")


def test_our_own_flags_are_sound() -> None:
    assert list(faults_of(json.loads(FLAGS.read_text()))) == []
