"""Where orders, products and stock are kept."""
