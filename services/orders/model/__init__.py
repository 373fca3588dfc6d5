"""What a shop sells, how much of it there is, and the life of an order: values, and pure changes of them."""

from services.orders.model.baskets import Basket, BasketLine
from services.orders.model.experiments import Conversion, Exposure
from services.orders.model.money import Money
from services.orders.model.orders import IllegalTransition, Order, OrderId, OrderLine, OrderState
from services.orders.model.pages import Page
from services.orders.model.payments import Payment, PaymentId, PaymentState, Tender, TenderMethod
from services.orders.model.products import Delivery, DeliveryId, Product, Sku, Stock
from services.orders.model.work import Attempt, Errand, ErrandId, Outcome

__all__ = [
    "Attempt",
    "Basket",
    "BasketLine",
    "Conversion",
    "Delivery",
    "DeliveryId",
    "Errand",
    "ErrandId",
    "Exposure",
    "IllegalTransition",
    "Money",
    "Order",
    "OrderId",
    "OrderLine",
    "OrderState",
    "Outcome",
    "Page",
    "Payment",
    "PaymentId",
    "PaymentState",
    "Product",
    "Sku",
    "Stock",
    "Tender",
    "TenderMethod",
]
