"""Log lines for people, from near the end and as they come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launcher.children import put_aside
from launcher.cli import run
from launcher.logs import Line, LogFile, merged


def event(name: str, second: int = 0, service: str = "orders", **fields: object) -> str:
    head = {
        "ts": f"2026-11-23T17:54:{second:02}.123456+00:00",
        "level": "info",
        "logger": "x.y",
        "event": name,
    }
    return json.dumps(
        {**head, "service": service, "request_id": "r-1", "trace_id": "t", "span_id": "s", **fields}
    )


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def tail(path: Path, count: int = 10) -> list[Line]:
    with LogFile(path) as log:
        return log.tail(count)


def texts(path: Path) -> list[str]:
    return [line.as_text() for line in tail(path)]


def test_an_event_reads_as_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "orders.log"
    path.write_text(event("order_completed", order_id="o-1", total=1250, note="two words", reason="") + "\n")

    (text,) = texts(path)

    time, rest = text.split(" ", 1)
    assert time.endswith(":54:00.123")
    assert (
        rest == 'info    orders     order_completed order_id=o-1 total=1250 note="two words" request_id=r-1'
    )


def test_a_stack_stands_below_its_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text(event("call_failed", error_stack="Traceback\n  here\n") + "\n")

    assert texts(path)[0].endswith("request_id=r-1\nTraceback\n  here")


@pytest.mark.parametrize("raw", ["LOG:  database system is ready", "{half", '["a list"]', ""])
def test_what_is_no_event_is_shown_as_it_stands(tmp_path: Path, raw: str) -> None:
    path = tmp_path / "postgres.log"
    path.write_text(f"{raw}\n")

    assert texts(path) == [f"postgres: {raw}"]


def test_the_last_lines_of_a_long_log_are_its_last(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("".join(f"{event(f'event_{number}')}\n" for number in range(5000)))

    assert [line.fields["event"] for line in tail(path, 3) if line.fields] == [
        "event_4997",
        "event_4998",
        "event_4999",
    ]
    assert len(tail(path, 10_000)) == 5000
    assert tail(path, 0) == []


def test_what_comes_is_shown_once_and_only_whole(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("one\ntw")
    with LogFile(path) as log:
        assert [line.raw for line in log.tail(5)] == ["one"]

        append(path, "o\nthr")

        assert [line.raw for line in log.added()] == ["two"]
        assert list(log.added()) == []


def test_a_log_that_is_put_aside_is_read_to_its_end_and_the_new_one_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("one\n")
    with LogFile(path) as log:
        log.tail(5)

        append(path, "two\n")
        put_aside(path, most_bytes=1)
        path.write_text("three\n")

        assert [line.raw for line in log.added()] == ["two", "three"]


def test_a_small_log_is_not_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("one\n")

    put_aside(path)

    assert [file.name for file in tmp_path.iterdir()] == ["orders.log"]


def test_several_logs_are_one_story(tmp_path: Path) -> None:
    (tmp_path / "orders.log").write_text(f"{event('first', 1)}\n{event('third', 3)}\n")
    (tmp_path / "auth.log").write_text(f"{event('second', 2, 'auth')}\na stack of the second\n")
    lines = [line for path in tmp_path.iterdir() for line in tail(path)]

    told = [line.fields["event"] if line.fields else line.raw for line in merged(lines, 3)]

    assert told == ["second", "a stack of the second", "third"]


def test_postgresql_tells_its_part_at_its_time(tmp_path: Path) -> None:
    (tmp_path / "orders.log").write_text(f"{event('first', 1)}\n{event('third', 3)}\n")
    (tmp_path / "postgres.log").write_text("2026-11-23 17:54:02.500 UTC [7] LOG:  second\n")
    lines = [line for path in tmp_path.iterdir() for line in tail(path)]

    assert [line.name for line in merged(lines, 3)] == ["orders", "postgres", "orders"]


def test_the_command_prints_lines_as_written_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "orders.log").write_text(f"{event('one')}\n{event('two')}\n")

    assert run(["logs", "orders", "-n", "1", "--json"], {"TILLMESH_HOME": str(tmp_path)}) == 0

    assert capsys.readouterr().out == f"{event('two')}\n"


def test_an_unknown_name_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "orders.log").touch()

    assert run(["logs", "order"], {"TILLMESH_HOME": str(tmp_path)}) == 2

    assert capsys.readouterr().err == "tillmesh: There is no log of 'order'; there are: orders.\n"
