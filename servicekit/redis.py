"""Redis for one service: a bounded pool whose callers wait, for a bounded time.

It promises the same as `servicekit.postgres`: nothing waits for ever, a service
starts while Redis is away, and inside `store_errors` every fault of the connection
is `StoreUnavailable`, which does not mean "did not happen".
"""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from servicekit.errors import StoreUnavailable
from servicekit.settings import RedisSettings

_POOL_WAIT_SECONDS = 1.0
_SOCKET_SECONDS = 1.0
_RETRIES = 1
_HEALTH_CHECK_SECONDS = 30


def connect(settings: RedisSettings) -> Redis:
    """A client that decodes to str. It connects when it is used; close it with `aclose()`."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=settings.redis_pool_size,
        # A plain pool raises when it is empty; this one waits, and then raises ConnectionError.
        timeout=_POOL_WAIT_SECONDS,
        socket_timeout=_SOCKET_SECONDS,
        socket_connect_timeout=_SOCKET_SECONDS,
        # A connection that died while idle costs one more attempt. What a caller cannot have
        # happen twice it must write so (SET NX, a script), for a lost answer is repeated too.
        # A time-out is not repeated: the caller has waited long enough.
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), _RETRIES, (RedisConnectionError,)),
        health_check_interval=_HEALTH_CHECK_SECONDS,
        decode_responses=True,
    )
    return Redis.from_pool(pool)


@contextmanager
def store_errors() -> Iterator[None]:
    """Make faults of Redis StoreUnavailable; a ResponseError, our wrong use of it, passes."""
    try:
        yield
    except ResponseError:
        raise
    except RedisTimeoutError as error:
        raise StoreUnavailable("the shared state did not answer in time") from error
    except (RedisError, OSError) as error:
        raise StoreUnavailable("the shared state is not reachable") from error
