"""What a shop sells, how much of it there is, and the life of an order: values, and pure changes of them."""

from services.orders.model.ages import AgeCheckMethod, AgeVerification
from services.orders.model.baskets import Basket, BasketLine, Tendered
from services.orders.model.events import OrderEvent
from services.orders.model.experiments import Conversion, Exposure
from services.orders.model.money import Money
from services.orders.model.orders import Closing, Order, OrderId, OrderLine
from services.orders.model.pages import Page
from services.orders.model.payments import Payment, PaymentId, PaymentState, Tender, TenderMethod
from services.orders.model.products import Product, Sku
from services.orders.model.refunds import Refund, RefundId, split
from services.orders.model.states import EventName, IllegalTransition, OrderState, Step
from services.orders.model.stock import Delivery, DeliveryId, Movement, MovementReason, Stock
from services.orders.model.work import Attempt, DeadLetter, Errand, ErrandId, Outcome

__all__ = [
    "AgeCheckMethod",
    "AgeVerification",
    "Attempt",
    "Basket",
    "BasketLine",
    "Closing",
    "Conversion",
    "DeadLetter",
    "Delivery",
    "DeliveryId",
    "Errand",
    "ErrandId",
    "EventName",
    "Exposure",
    "IllegalTransition",
    "Money",
    "Movement",
    "MovementReason",
    "Order",
    "OrderEvent",
    "OrderId",
    "OrderLine",
    "OrderState",
    "Outcome",
    "Page",
    "Payment",
    "PaymentId",
    "PaymentState",
    "Product",
    "Refund",
    "RefundId",
    "Sku",
    "Step",
    "Stock",
    "Tender",
    "TenderMethod",
    "Tendered",
    "split",
]
