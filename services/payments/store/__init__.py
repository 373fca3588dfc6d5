"""Where payments and attempts are kept."""
