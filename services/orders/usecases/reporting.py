"""What is counted of an order's last event. Synthetic orders are no business."""

from __future__ import annotations

from services.orders.model import EventName, Order
from services.orders.ports import Signals


def report(signals: Signals, order: Order) -> None:
    """Count the order's last event, if it is one that anybody counts."""
    if order.synthetic:
        return
    seconds = (order.updated_at - order.created_at).total_seconds()
    match order.event:
        case EventName.ORDER_COMPLETED:
            signals.order_completed(order.total, seconds)
        case EventName.ORDER_REJECTED:
            signals.order_rejected(order.state_reason, seconds)
        case EventName.ORDER_CANCELLED:
            signals.order_cancelled(order.state_reason, seconds)
        case EventName.ORDER_REFUNDED | EventName.ORDER_PARTIALLY_REFUNDED:
            signals.order_refunded(order.last_refund)
        case _:
            pass
