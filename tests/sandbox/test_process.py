"""`python -m sandbox` as a process: settings, memory, death and what survives it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

FORM = {
    "amount": "1000",
    "currency": "eur",
    "confirm": "true",
    "capture_method": "manual",
    "payment_method": "pm_card_visa",
}
HEADERS = {"Authorization": "Bearer sk_test_contract", "Idempotency-Key": "k1"}

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def spawn() -> Iterator[Start]:
    """Start a sandbox with these variables; its process and its URL."""
    started: list[subprocess.Popen[str]] = []

    def spawn(**environ: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"],
            env={"PATH": os.environ["PATH"], "PORT": "0", **environ},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        return process, found[0]

    yield spawn
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_a_killed_sandbox_forgets_no_charge_and_no_key(spawn: Start, tmp_path: Path) -> None:
    state = str(tmp_path / "sandbox.db")
    process, url = spawn(STATE_PATH=state)
    first = httpx.post(f"{url}/v1/payment_intents", data=FORM, headers=HEADERS)
    process.kill()
    process.wait()

    _, url = spawn(STATE_PATH=state)
    again = httpx.post(f"{url}/v1/payment_intents", data=FORM, headers=HEADERS)

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(httpx.get(f"{url}/sandbox/stripe/ledger").json()["entries"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(spawn: Start, number: signal.Signals) -> None:
    process, url = spawn()
    assert httpx.get(f"{url}/sandbox/health").status_code == 200

    process.send_signal(number)

    assert process.wait(10) == 0


def test_it_stays_under_45_megabytes(spawn: Start) -> None:
    process, url = spawn()
    with httpx.Client(base_url=url) as client:
        for number in range(200):
            client.post("/v1/payment_intents", data=FORM, headers={**HEADERS, "Idempotency-Key": str(number)})

    assert psutil.Process(process.pid).memory_info().rss < 45_000_000


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    env = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=20)


def test_bad_settings_are_all_named_and_exit_with_2() -> None:
    ended = run(PORT="many", STRIPE_WEBHOOK_URL="ftp://here")

    assert ended.returncode == 2
    assert [line.split(":")[1].strip() for line in ended.stderr.splitlines()] == [
        "PORT",
        "STRIPE_WEBHOOK_URL",
        "STRIPE_WEBHOOK_SECRET",
    ]


def test_a_state_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("not a database, and long enough to be read as one" * 4)

    ended = run(STATE_PATH=str(path))

    assert ended.returncode == 2
    assert "STATE_PATH" in ended.stderr


def test_a_taken_port_is_one_clear_line(free_ports: Callable[[int], list[int]]) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        ended = run(PORT=str(port))

    assert ended.returncode == 1
    assert ended.stderr == f"sandbox: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_help_names_every_variable_and_control() -> None:
    ended = run("--help")

    assert ended.returncode == 0
    for name in ("HOST", "PORT", "STATE_PATH", "STRIPE_WEBHOOK_URL", "/sandbox/stripe/ledger"):
        assert name in ended.stdout
