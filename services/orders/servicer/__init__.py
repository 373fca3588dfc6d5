"""RPCs: decode, one use case, encode. What each promises stands in its proto."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from tillmesh.orders.v1 import (
    inventory_pb2,
    inventory_pb2_grpc,
    offline_pb2,
    offline_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    products_pb2,
    products_pb2_grpc,
    receipts_pb2,
    receipts_pb2_grpc,
)
from typing_extensions import override

from services.orders import wire
from services.orders.usecases import (
    AgeVerifications,
    Catalogue,
    Closings,
    DeadLetterOffice,
    Ordering,
    Receipts,
    Refunds,
    Stockroom,
    Watching,
)
from services.orders.usecases.offline import OfflineIntake, OfflineReports
from services.orders.wire import offline as offline_wire

Context = grpc.aio.ServicerContext[Any, Any]


class ProductsServicer(products_pb2_grpc.ProductsServiceServicer):
    """See products.proto."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @override
    async def ListProducts(
        self, request: products_pb2.ListProductsRequest, context: Context
    ) -> products_pb2.ListProductsResponse:
        """See the proto."""
        page = await self._catalogue.list(request.page_size, request.page_token)
        products = [wire.product(product) for product in page.items]
        return products_pb2.ListProductsResponse(products=products, next_page_token=page.next_token)

    @override
    async def GetProduct(
        self, request: products_pb2.GetProductRequest, context: Context
    ) -> products_pb2.GetProductResponse:
        """See the proto."""
        product = await self._catalogue.get(request.sku)
        return products_pb2.GetProductResponse(product=wire.product(product))

    @override
    async def CreateProduct(
        self, request: products_pb2.CreateProductRequest, context: Context
    ) -> products_pb2.CreateProductResponse:
        """See the proto."""
        price = wire.money_of(request.price)
        product = await self._catalogue.add(
            request.sku, request.name, price, request.minimum_age, wire.fingerprint(request)
        )
        return products_pb2.CreateProductResponse(product=wire.product(product))


class InventoryServicer(inventory_pb2_grpc.InventoryServiceServicer):
    """See inventory.proto."""

    def __init__(self, stockroom: Stockroom) -> None:
        self._stockroom = stockroom

    @override
    async def GetStock(
        self, request: inventory_pb2.GetStockRequest, context: Context
    ) -> inventory_pb2.GetStockResponse:
        """See the proto."""
        stock = await self._stockroom.get(request.sku)
        return inventory_pb2.GetStockResponse(stock=wire.stock(stock))

    @override
    async def Restock(
        self, request: inventory_pb2.RestockRequest, context: Context
    ) -> inventory_pb2.RestockResponse:
        """See the proto."""
        stock = await self._stockroom.restock(request.sku, request.quantity, wire.fingerprint(request))
        return inventory_pb2.RestockResponse(stock=wire.stock(stock))

    @override
    async def SetLowStockThreshold(
        self, request: inventory_pb2.SetLowStockThresholdRequest, context: Context
    ) -> inventory_pb2.SetLowStockThresholdResponse:
        """See the proto."""
        stock = await self._stockroom.warn_below(request.sku, request.low_threshold)
        return inventory_pb2.SetLowStockThresholdResponse(stock=wire.stock(stock))

    @override
    async def ListStockMovements(
        self, request: inventory_pb2.ListStockMovementsRequest, context: Context
    ) -> inventory_pb2.ListStockMovementsResponse:
        """See the proto."""
        page = await self._stockroom.movements(request.sku, request.page_size, request.page_token)
        movements = [wire.movement(movement) for movement in page.items]
        return inventory_pb2.ListStockMovementsResponse(movements=movements, next_page_token=page.next_token)


@dataclass(frozen=True)
class OrderCases:
    """What may be done with orders."""

    ordering: Ordering
    closings: Closings
    refunds: Refunds
    age_verifications: AgeVerifications
    watching: Watching


class OrdersServicer(orders_pb2_grpc.OrdersServiceServicer):
    """See orders.proto."""

    def __init__(self, cases: OrderCases) -> None:
        self._ordering = cases.ordering
        self._closings = cases.closings
        self._refunds = cases.refunds
        self._age_verifications = cases.age_verifications
        self._watching = cases.watching

    @override
    async def CreateOrder(
        self, request: orders_pb2.CreateOrderRequest, context: Context
    ) -> orders_pb2.CreateOrderResponse:
        """See the proto."""
        order = await self._ordering.place(wire.basket_of(request), wire.fingerprint(request))
        return orders_pb2.CreateOrderResponse(order=wire.order(order))

    @override
    async def GetOrder(
        self, request: orders_pb2.GetOrderRequest, context: Context
    ) -> orders_pb2.GetOrderResponse:
        """See the proto."""
        order = await self._ordering.get(request.id)
        return orders_pb2.GetOrderResponse(order=wire.order(order))

    @override
    async def ListOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> orders_pb2.ListOrdersResponse:
        """See the proto."""
        page = await self._ordering.list(request.page_size, request.page_token, wire.state_of(request.state))
        orders = [wire.order(order) for order in page.items]
        return orders_pb2.ListOrdersResponse(orders=orders, next_page_token=page.next_token)

    @override
    async def CancelOrder(
        self, request: orders_pb2.CancelOrderRequest, context: Context
    ) -> orders_pb2.CancelOrderResponse:
        """See the proto."""
        order = await self._closings.cancel(request.id, wire.fingerprint(request))
        return orders_pb2.CancelOrderResponse(order=wire.order(order))

    @override
    async def RefundOrder(
        self, request: orders_pb2.RefundOrderRequest, context: Context
    ) -> orders_pb2.RefundOrderResponse:
        """See the proto."""
        amount = wire.amount_of(request)
        order = await self._refunds.refund(request.id, amount, wire.fingerprint(request))
        return orders_pb2.RefundOrderResponse(order=wire.order(order))

    @override
    async def WatchOrder(
        self, request: orders_pb2.WatchOrderRequest, context: Context
    ) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
        """See the proto."""
        async for order, event in self._watching.follow(request.id, request.after_sequence):
            yield wire.order_event(order, event)

    @override
    async def VerifyAge(
        self, request: orders_pb2.VerifyAgeRequest, context: Context
    ) -> orders_pb2.VerifyAgeResponse:
        """See the proto."""
        order = await self._age_verifications.verify(
            request.id,
            request.method,
            is_met=request.minimum_age_met,
            fingerprint=wire.fingerprint(request),
        )
        return orders_pb2.VerifyAgeResponse(order=wire.order(order))


class DeadLettersServicer(operations_pb2_grpc.DeadLettersServiceServicer):
    """See operations.proto."""

    def __init__(self, office: DeadLetterOffice) -> None:
        self._office = office

    @override
    async def ListDeadLetters(
        self, request: operations_pb2.ListDeadLettersRequest, context: Context
    ) -> operations_pb2.ListDeadLettersResponse:
        """See the proto."""
        page = await self._office.list(request.page_size, request.page_token)
        letters = [wire.dead_letter(letter) for letter in page.items]
        return operations_pb2.ListDeadLettersResponse(dead_letters=letters, next_page_token=page.next_token)

    @override
    async def ReplayDeadLetter(
        self, request: operations_pb2.ReplayDeadLetterRequest, context: Context
    ) -> operations_pb2.ReplayDeadLetterResponse:
        """See the proto."""
        await self._office.replay(request.id, wire.fingerprint(request))
        return operations_pb2.ReplayDeadLetterResponse()


class ReceiptsServicer(receipts_pb2_grpc.ReceiptsServiceServicer):
    """See receipts.proto."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    @override
    async def GetReceipt(
        self, request: receipts_pb2.GetReceiptRequest, context: Context
    ) -> receipts_pb2.GetReceiptResponse:
        """See the proto."""
        receipt = await self._receipts.print(request.id)
        return receipts_pb2.GetReceiptResponse(receipt=wire.text(receipt, "text/plain; charset=utf-8"))


class OfflineOrdersServicer(offline_pb2_grpc.OfflineOrdersServiceServicer):
    """See offline.proto."""

    def __init__(self, intake: OfflineIntake, reports: OfflineReports) -> None:
        self._intake = intake
        self._reports = reports

    @override
    async def SyncOfflineOrders(
        self, request: offline_pb2.SyncOfflineOrdersRequest, context: Context
    ) -> offline_pb2.SyncOfflineOrdersResponse:
        """See the proto."""
        sales = [offline_wire.sale_of(sale, request.till) for sale in request.sales]
        return offline_wire.sync_answer(await self._intake.take(request.till, sales))

    @override
    async def StreamOfflineOrders(
        self, request_iterator: AsyncIterator[offline_pb2.StreamOfflineOrdersRequest], context: Context
    ) -> AsyncIterator[offline_pb2.StreamOfflineOrdersResponse]:
        """See the proto."""
        async for request in request_iterator:
            sales = [offline_wire.sale_of(sale, request.till) for sale in request.sales]
            yield offline_wire.stream_answer(await self._intake.take(request.till, sales))

    @override
    async def GetOfflineReport(
        self, request: offline_pb2.GetOfflineReportRequest, context: Context
    ) -> offline_pb2.GetOfflineReportResponse:
        """See the proto."""
        report = await self._reports.of(request.till, request.page_size, request.page_token)
        return offline_wire.till_report(report)
