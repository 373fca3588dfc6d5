"""What the orders service is told from outside."""

from servicekit.flags import FlagSettings
from servicekit.settings import PostgresSettings, ServiceSettings


class OrdersSettings(FlagSettings, PostgresSettings, ServiceSettings):
    """Settings of one process of the orders service."""

    payments_target: str = "127.0.0.1:50053"
    """Where the payments service answers."""
