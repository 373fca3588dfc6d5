"""Where a request comes from, believing only networks that are configured.

`X-Forwarded-For` is a claim: it is read from the right, and only for as long as
the hop that made the claim is trusted.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The right-most hop that is not trusted; the left-most of all if every one is.

    Args:
        peer: Who opened the connection.
        forwarded_for: The X-Forwarded-For header, empty if there is none.
        trusted: Networks whose hops tell the truth about the hop before them.
    """
    client = peer
    for hop in reversed([text.strip() for text in forwarded_for.split(",") if text.strip()]):
        if not is_within(client, trusted) or _parsed(hop) is None:
            break
        client = hop
    return client


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """True if the address is in one of the networks."""
    if not networks:
        return False
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> Address | None:
    """The address; one of IPv4 written as IPv6 is taken for what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
