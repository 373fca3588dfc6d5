"""What a client accepts, by RFC 9110 section 12.5.1."""

import re
from collections.abc import Sequence
from functools import lru_cache

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def quality(accept: str, media_type: str) -> float:
    """How much a client that sent `accept` likes `media_type`: 0, not at all, to 1."""
    if not accept.strip():
        return 1.0
    ranges = _ranges(accept)
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if wanted in ranges:
            return ranges[wanted]
    return 0.0


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """What the client likes best of what is offered, the first of equals; None if it likes nothing."""
    best = max(offered, key=lambda media_type: quality(accept, media_type))
    return best if quality(accept, best) > 0 else None


@lru_cache(maxsize=256)
def _ranges(accept: str) -> dict[str, float]:
    """The weight of each range; parameters other than the weight do not tell ours apart."""
    ranges: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [found[1] for text in parameters if (found := _WEIGHT.fullmatch(text.replace(" ", "")))]
        ranges[media_range] = max(float(weights[0]) if weights else 1.0, ranges.get(media_range, 0.0))
    return ranges
