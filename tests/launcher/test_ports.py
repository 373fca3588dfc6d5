"""Ports: the table, a base, and what is said of a taken one."""

from __future__ import annotations

import socket

import pytest

from launcher.errors import BadUsage, CommandFailed
from launcher.ports import TABLE, parse_base, port_table, refuse_taken


def test_without_a_base_the_ports_are_those_of_the_architecture() -> None:
    assert port_table(None) == {
        "gateway": {"http": 8080, "metrics": 9080},
        "auth": {"grpc": 50051, "http": 9081},
        "orders": {"grpc": 50052, "http": 9082},
        "payments": {"grpc": 50053, "http": 9083},
        "monitoring": {"grpc": 50054, "http": 9090},
        "sandbox": {"http": 8090},
    }


def test_with_a_base_the_ports_are_eleven_in_a_row() -> None:
    assert port_table(23000) == {
        "gateway": {"http": 23000, "metrics": 23001},
        "auth": {"grpc": 23002, "http": 23003},
        "orders": {"grpc": 23004, "http": 23005},
        "payments": {"grpc": 23006, "http": 23007},
        "monitoring": {"grpc": 23008, "http": 23009},
        "sandbox": {"http": 23010},
    }


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_text_is_no_base(nothing: str | None) -> None:
    assert parse_base(nothing, "TILLMESH_PORT_BASE") is None


@pytest.mark.parametrize("text", ["1", "23000", "65525"])
def test_a_number_with_room_above_it_is_a_base(text: str) -> None:
    assert parse_base(text, "--port-base") == int(text)


@pytest.mark.parametrize("text", ["0", "65526", "-1", "8080.5", "http", "²", " 23000"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadUsage, match="--port-base must be a whole number from 1 to 65525"):
        parse_base(text, "--port-base")


def test_free_ports_are_not_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        free = holder.getsockname()[1]

    refuse_taken({"gateway": {"http": free}})


def test_a_taken_port_is_one_line_that_names_it_and_who_wanted_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]

        with pytest.raises(CommandFailed) as refused:
            refuse_taken({"gateway": {"http": taken}})

    assert str(refused.value).startswith(f"Port {taken} (gateway, http) is taken")
    assert "\n" not in str(refused.value)


def test_a_port_that_others_could_share_counts_as_taken() -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()

        with pytest.raises(CommandFailed, match="taken"):
            refuse_taken({"auth": {"grpc": holder.getsockname()[1]}})


def test_every_port_has_one_owner() -> None:
    numbers = [number for ports in TABLE.values() for number in ports.values()]

    assert len(numbers) == len(set(numbers))
