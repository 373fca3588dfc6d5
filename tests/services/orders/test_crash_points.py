"""Every named point at which the orders service can be made to die."""

from __future__ import annotations

from servicekit.crash_points import points_of
from services.orders.main import CRASH_PORTS


def test_every_await_on_the_database_or_a_peer_has_two_points() -> None:
    points = [point for name, kind in CRASH_PORTS.items() for point in points_of(name, kind)]

    print(f"{len(points)} points: {' '.join(points)}")
    assert len(points) == len(set(points))
    assert {
        "store.transaction.begin:before",
        "store.transaction.commit:after",
        "store.transaction.orders.move:after",
        "store.transaction.inventory.consume:before",
        "store.transaction.errands.finish:after",
        "payments.authorize:before",
        "payments.capture:after",
        "payments.void:after",
        "payments.refund:before",
        "outbox.lease:after",
    } <= set(points)
