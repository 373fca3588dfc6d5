"""What the orders service is told from outside."""

from servicekit.settings import PostgresSettings, ServiceSettings


class OrdersSettings(PostgresSettings, ServiceSettings):
    """Settings of one process of the orders service."""

    payments_target: str = "127.0.0.1:50053"
    """Where the payments service answers."""
