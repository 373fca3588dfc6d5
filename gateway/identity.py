"""Who calls, found at the edge: forged tokens die here and reach no service.

Answers 401 as RFC 6750 section 3 asks. Roles are the services' business.
"""

import re
from typing import Final, Protocol

from gateway.problems import Headers, NotSignedIn
from servicekit.context import Caller
from servicekit.tokens import InvalidToken

CHALLENGE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="tillmesh"'),)
"""What a client without a token is told."""

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


class Verifier(Protocol):
    """Tells whose a token is; `servicekit.tokens.UserTokens` does."""

    def cached(self, token: str) -> Caller | None:
        """Whose it is, if it was verified before and is good still."""
        ...

    async def verify(self, token: str) -> Caller:
        """Whose it is. Raises InvalidToken, and KeysUnavailable while nobody can tell."""
        ...


async def identified(verifier: Verifier, authorization: str) -> tuple[Caller, str]:
    """The caller, and the `authorization` to pass on. Raises NotSignedIn and KeysUnavailable."""
    if not authorization:
        raise NotSignedIn("This call needs an access token: send Authorization: Bearer.", headers=CHALLENGE)
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise _refused("The Authorization header holds no bearer token.")
    token = found[1]
    try:
        caller = verifier.cached(token) or await verifier.verify(token)
    except InvalidToken as fault:
        raise _refused(str(fault), expired=fault.expired) from fault
    return caller, f"Bearer {token}"


def _refused(detail: str, *, expired: bool = False) -> NotSignedIn:
    """The refusal of a token; the metadata are those of services, so that clients know when to refresh."""
    challenge = f'Bearer realm="tillmesh", error="invalid_token", error_description="{detail}"'
    return NotSignedIn(
        detail,
        headers=((b"www-authenticate", challenge.encode()),),
        metadata={"expired": str(expired).lower()},
    )
