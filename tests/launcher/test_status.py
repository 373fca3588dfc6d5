"""`tillmesh status`: its document, its exit codes, and that it believes no stale file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cli import run
from launcher.identity import Identity, identify
from launcher.observation import Observer
from launcher.records import SUPERVISOR, Probe, ProbeKind, ProcessRecord, ProcessState, Roster, read_records
from launcher.table import health_summary, table
from servicekit.clock import SystemClock


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    """The supervisor (ourselves), and orders, which waits."""
    roster = Roster(tmp_path / "processes.json", lambda _: None, SystemClock())
    roster.enter([ProcessRecord(SUPERVISOR), ProcessRecord("orders", {"grpc": 23004, "http": 23005})])
    roster.running(SUPERVISOR, identify(os.getpid()), Probe(ProbeKind.FILE, str(tmp_path / "seeded.json")))
    return roster


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"TILLMESH_HOME": str(tmp_path)}


def make_ready(roster: Roster, home: Path) -> None:
    (home / "seeded.json").touch()
    roster.running("orders", identify(os.getpid()), Probe(ProbeKind.FILE, str(home / "seeded.json")))


def test_the_document_is_that_of_the_architecture(
    roster: Roster, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ready(roster, tmp_path)

    assert run(["status", "--json"], environ) == 0

    document = json.loads(capsys.readouterr().out)
    orders = document["processes"][1]
    assert document["ready"] is True
    assert [process["name"] for process in document["processes"]] == ["tillmesh", "orders"]
    assert orders.pop("memory_bytes") > 5_000_000
    assert orders.pop("uptime_seconds") < 60
    assert orders == {
        "name": "orders",
        "pid": os.getpid(),
        "state": "running",
        "health": {"readiness": "SERVING"},
        "ports": {"grpc": 23004, "http": 23005},
        "restarts": 0,
    }


def test_it_is_not_ready_while_a_process_waits(
    roster: Roster, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status"], environ) == 1

    assert "Not ready: tillmesh says NOT_SERVING, orders is waiting." in capsys.readouterr().out


def test_it_is_not_ready_until_the_shop_is_filled(
    roster: Roster, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ready(roster, tmp_path)
    (tmp_path / "seeded.json").unlink()

    assert run(["status", "--wait", "0.2"], environ) == 1


def test_nothing_runs_where_nothing_was_started(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--json"], environ) == 3

    assert json.loads(capsys.readouterr().out) == {"ready": False, "processes": []}


def test_a_file_that_a_dead_supervisor_left_is_not_believed(
    roster: Roster, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    roster.running(SUPERVISOR, Identity(os.getpid(), "an earlier life"), Probe(ProbeKind.FILE, "/"))

    assert run(["status", "--json"], environ) == 3

    document = json.loads(capsys.readouterr().out)
    assert [(process["pid"], process["state"]) for process in document["processes"]] == [
        (None, "stopped"),
        (None, "waiting"),
    ]


def test_what_cannot_be_heard_is_unknown(roster: Roster, tmp_path: Path) -> None:
    probes = {
        "grpc": Probe(ProbeKind.GRPC, "127.0.0.1:1"),
        "gateway": Probe(ProbeKind.GATEWAY, "127.0.0.1:1"),
        "postgres": Probe(ProbeKind.POSTGRES, str(tmp_path / "none")),
    }
    roster.enter(ProcessRecord(name) for name in probes)
    for name, probe in probes.items():
        roster.running(name, identify(os.getpid()), probe)
    observer = Observer()

    status = observer.observe(roster.records())

    observer.close()
    heard = {process.name: process.health for process in status.processes}
    assert [heard[name] for name in probes] == [{"readiness": "UNKNOWN"}] * 3


def test_a_database_counts_with_all_its_processes(roster: Roster) -> None:
    below = "memory = b'x' * 50_000_000; print('up', flush=True); input()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {below!r}])"
    command = [sys.executable, "-c", script]
    observer = Observer()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        roster.enter([ProcessRecord("postgres")])
        roster.running("postgres", identify(parent.pid), Probe(ProbeKind.FILE, "/"))

        postgres = observer.observe(roster.records(), with_memory=True).processes[-1]

        parent.communicate(b"\n")
    observer.close()
    assert postgres.memory_bytes > 50_000_000


def test_records_are_read_as_they_were_written(roster: Roster, tmp_path: Path) -> None:
    roster.ended("orders", ProcessState.RESTARTING)

    assert read_records(tmp_path / "processes.json") == roster.records()


def test_the_table_names_what_does_not_serve(roster: Roster, tmp_path: Path) -> None:
    observer = Observer()

    status = observer.observe(roster.records())

    observer.close()
    assert table(status).row_count == 2
    assert [health_summary(process) for process in status.processes] == ["readiness NOT_SERVING", ""]
