"""Products, stock and orders: takes a basket, reserves it, has it paid, hands it over."""
