"""What an error of asyncpg means: is the server away, or does it speak of the data?"""

from typing import Any

import asyncpg

SERVER_AWAY = (
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28: a wrong role or password
    asyncpg.InvalidCatalogNameError,  # no such database (yet)
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,  # class 57: shutting down, starting up, statement timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # what asyncpg says when the server dies mid-answer; no PostgresError
    OSError,  # refused, reset, no such socket; TimeoutError is one
)


def is_away(error: Exception, connection: Any) -> bool:  # noqa: ANN401 - untyped library
    """Tell a fault of the connection from what the server or asyncpg says of the statement."""
    if not isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, SERVER_AWAY)
    # asyncpg's word both for a connection that is lost and for wrong use, such as too few arguments.
    try:
        return connection is None or bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


def failure_of(error: BaseException) -> str:
    """What kind of failure ended a query: an SQLSTATE class, `timeout`, `connection` or `other`."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] or "other"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, OSError | asyncpg.InternalClientError | asyncpg.InterfaceError):
        return "connection"
    return "other"


def said_of(error: BaseException) -> str:
    """A sentence for callers and for the health page, in our own words."""
    match failure_of(error):
        case "timeout" | "57" if not isinstance(
            error, asyncpg.CannotConnectNowError | asyncpg.AdminShutdownError
        ):
            return "the database did not answer in time"
        case "28" | "3D":
            return "the database refuses this service's role or knows no such database"
        case "53":
            return "the database accepts no more connections"
        case _:
            return "the database is not reachable"
