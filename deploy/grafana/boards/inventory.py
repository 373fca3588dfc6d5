"""What is on the shelves (S22)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number

BOARD: Final = Board(
    "inventory",
    "Inventory",
    "What is on the shelves, what is promised, and what is missing.",
    [
        number(
            "Products low",
            'inventory:products:max{level="low"}',
            "Fewer units for sale than the product's threshold. StockLow fires after 15 minutes.",
        ),
        number("Products out", 'inventory:products:max{level="out"}', "Nothing left to sell."),
        number(
            "Reservations overdue",
            "max(inventory_reservations_overdue)",
            "Open orders that hold stock for too long. ReservationsOverdue fires after 10 minutes.",
        ),
        number(
            "Sales lost, last hour",
            "inventory:out_of_stock_refusals:increase1h",
            "Orders refused for lack of stock. SalesLostToEmptyShelves fires at 20.",
        ),
        lines(
            "Products, by level",
            {"{{level}}": "inventory:products:max"},
            "How many products can be sold without a thought, are low, or are out.",
        ),
        lines(
            "Units",
            {"{{state}}": "max by (state) (inventory_units)"},
            "Units that can be sold, and units promised to open orders.",
        ),
        lines(
            "Open orders, by state",
            {"{{state}}": "max by (state) (orders_open)"},
            "Each of them holds stock.",
        ),
        lines(
            "Oldest open order, by state",
            {"{{state}}": "max by (state) (orders_open_oldest_seconds)"},
            "How long it has held its stock.",
            unit="s",
        ),
    ],
)
