"""What headers say: where from, what is accepted, which attempt."""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from tillmesh.options.v1 import options_pb2

from gateway.addresses import client_address
from gateway.idempotency import key_of
from gateway.lifecycle import Lifecycle
from gateway.negotiation import preferred, quality
from gateway.problems import IdempotencyKeyMalformed

OURS = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert client_address(peer, forwarded_for, OURS) == client


def test_nobody_is_trusted_unless_told() -> None:
    assert client_address("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("accept", "weight"),
    [
        ("", 1),
        ("*/*", 1),
        ("application/json", 1),
        ("APPLICATION/JSON", 1),
        ("application/*;q=0.5", 0.5),
        ("text/html, application/json;q=0.9, */*;q=0.1", 0.9),
        ("application/json; charset=utf-8; q=0.3", 0.3),
        ("application/json;q=0, */*", 0),
        ("text/html", 0),
        ("application/json;q=2", 1),
        (",;q=,", 0),
    ],
)
def test_a_type_weighs_what_its_closest_range_says(accept: str, weight: float) -> None:
    assert quality(accept, "application/json") == weight


@pytest.mark.parametrize(
    ("accept", "best"),
    [("", "a/x"), ("*/*", "a/x"), ("a/y", "a/y"), ("a/x;q=0.1, a/*;q=0.2", "a/y"), ("b/*", None)],
)
def test_the_first_of_the_best_is_preferred(accept: str, best: str | None) -> None:
    assert preferred(accept, ["a/x", "a/y"]) == best


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("", ""),
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ("8e03978e-40d5", "8e03978e-40d5"),
        (r'"a \"b\" \\c"', r'a "b" \c'),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_key_may_be_quoted_or_bare(header: str, key: str) -> None:
    assert key_of(header) == key


@pytest.mark.parametrize(
    "header", ["x" * 256, '""', '"  "', '"a', 'a"b', "a b", '"a", "b"', "a,b", '"é"', "\x7f", r'"\a"']
)
def test_what_is_no_key_is_refused(header: str) -> None:
    with pytest.raises(IdempotencyKeyMalformed):
        key_of(header)


def test_a_call_is_over_from_the_day_of_its_sunset() -> None:
    lifecycle = Lifecycle.of(options_pb2.Lifecycle(deprecated_on="2026-01-01", sunset_on="2027-01-01"))

    assert not lifecycle.is_over(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert lifecycle.is_over(datetime(2027, 1, 1, tzinfo=UTC))


def test_a_call_without_an_end_says_nothing_of_it() -> None:
    lifecycle = Lifecycle.of(options_pb2.Lifecycle())

    assert not lifecycle.is_over(datetime(9999, 1, 1, tzinfo=UTC))
    assert lifecycle.headers() == ()
