"""What the orders service is told from outside."""

from typing import Annotated

from pydantic import Field

from servicekit.crash_points import CrashPointSettings
from servicekit.flags import FlagSettings
from servicekit.settings import PostgresSettings, ServiceSettings


class OrdersSettings(CrashPointSettings, FlagSettings, PostgresSettings, ServiceSettings):
    """Settings of one process of the orders service."""

    payments_target: str = "127.0.0.1:50053"
    """Where the payments service answers."""

    offline_sales_per_till: Annotated[int, Field(ge=1000)] = 20_000
    """Sales made offline that may wait of one till; a till whose queue is full keeps the others itself."""

    offline_sales_in_total: Annotated[int, Field(ge=1000)] = 200_000
    """As OFFLINE_SALES_PER_TILL, of all tills together."""
