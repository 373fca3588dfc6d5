"""A refusal crosses RPC whole."""

from __future__ import annotations

import grpc

from servicekit.errors import FieldViolation, InvalidArgument, Kind, StoreUnavailable
from servicekit.status import code_of, refusal_of, trailers_of


def _across(code: grpc.StatusCode, trailers: tuple[tuple[str, bytes], ...]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), "library words")


def test_a_refusal_keeps_its_reason_its_fields_and_its_facts() -> None:
    refusal = InvalidArgument(
        "the order has faults",
        violations=[FieldViolation("lines[0].quantity", "must be 1 or more")],
        metadata={"sku": "TEA-1"},
    )

    seen = refusal_of(_across(code_of(refusal), trailers_of(refusal)))

    assert (seen.kind, seen.reason, seen.message) == (
        Kind.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
        "the order has faults",
    )
    assert seen.violations == refusal.violations
    assert seen.metadata == {"sku": "TEA-1"}


def test_a_retry_delay_keeps_its_fraction() -> None:
    refusal = StoreUnavailable("the database did not answer", retry_after_seconds=1.25)

    seen = refusal_of(_across(code_of(refusal), trailers_of(refusal)))

    assert seen.retry_after_seconds == 1.25


def test_a_fault_of_the_connection_is_told_in_our_words() -> None:
    seen = refusal_of(_across(grpc.StatusCode.UNAVAILABLE, ()))

    assert seen.reason == "PEER_UNAVAILABLE"
    assert "library" not in seen.message


def test_every_kind_has_a_code() -> None:
    for kind in Kind:
        assert grpc.StatusCode[kind.value].name == kind.value
