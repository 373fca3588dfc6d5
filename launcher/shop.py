"""The demonstration shop: what stands on its shelves."""

from __future__ import annotations

from dataclasses import dataclass

CURRENCY = "EUR"
UNITS_OF_EACH = 1000
"""How many of each product are delivered when the shop opens."""

ADULT = 18
DRINKING_AGE = 16


@dataclass(frozen=True)
class Product:
    """Something to sell. `price_minor` is in cents; `minimum_age` 0 means anybody may buy it."""

    sku: str
    name: str
    price_minor: int
    minimum_age: int = 0


PRODUCTS = (
    Product("APPLE-1KG", "Apples, Elstar, 1 kg", 279),
    Product("BANANA-1KG", "Bananas, 1 kg", 189),
    Product("BREAD-RYE-750", "Rye bread, 750 g", 349),
    Product("BUTTER-250", "Butter, 250 g", 259),
    Product("CHEESE-GOUDA-400", "Gouda, 400 g", 449),
    Product("CHOCOLATE-100", "Dark chocolate, 100 g", 179),
    Product("COFFEE-500", "Coffee beans, 500 g", 899),
    Product("CRISPS-175", "Crisps, salted, 175 g", 199),
    Product("EGGS-10", "Eggs, free range, 10", 329),
    Product("HONEY-500", "Honey, 500 g", 649),
    Product("JUICE-ORANGE-1L", "Orange juice, 1 l", 249),
    Product("MILK-1L", "Milk, 1 l", 119),
    Product("NEWSPAPER", "Newspaper, today's", 320),
    Product("OATS-500", "Oats, 500 g", 129),
    Product("PASTA-500", "Spaghetti, 500 g", 149),
    Product("RICE-1KG", "Basmati rice, 1 kg", 299),
    Product("SANDWICH-CHEESE", "Cheese sandwich", 395),
    Product("SOAP-BAR", "Soap, a bar", 165),
    Product("TOMATO-500", "Tomatoes, 500 g", 229),
    Product("WATER-1500", "Water, still, 1.5 l", 69),
    Product("BEER-500", "Lager, 0.5 l", 129, DRINKING_AGE),
    Product("WINE-RED-750", "Red wine, 0.75 l", 799, ADULT),
    Product("GIN-700", "Gin, 0.7 l", 1899, ADULT),
    Product("LIGHTER", "Lighter", 150, ADULT),
    Product("CIGARETTES-20", "Cigarettes, 20", 850, ADULT),
)
"""Some may be sold to anybody, some by age."""
