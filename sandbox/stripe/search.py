"""The part of Stripe's search language that we use: `metadata['key']:'value'`.

Source: https://docs.stripe.com/search#search-query-language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.stripe import errors
from sandbox.stripe.forms import Parameters
from sandbox.stripe.objects import Object
from sandbox.stripe.work import Work

_CLAUSE = re.compile(r"""metadata\[(['"])(?P<key>[^'"]+)\1\]:(['"])(?P<value>[^'"]*)\3""")
_DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class Search:
    """Objects that carry one pair of metadata."""

    key: str
    value: str
    limit: int


def parse(parameters: Parameters) -> Search:
    """Read a search.

    Raises:
        StripeError: The query is none, or is more than this sandbox understands.
    """
    query = parameters.required("query")
    limit = parameters.integer("limit") or _DEFAULT_LIMIT
    clause = _CLAUSE.fullmatch(query.strip())
    if clause is None:
        raise errors.parameter_invalid("query", "The sandbox searches by one metadata['key']:'value' only.")
    return Search(clause["key"], clause["value"], limit)


def page(work: Work, kind: str, wanted: Search, url: str) -> Object:
    """What was found, in Stripe's shape, newest first."""
    known = work.objects.with_metadata(kind, wanted.key, wanted.value)
    everything = [each for each in known if each["created"] <= work.indexed_until]
    return {
        "object": "search_result",
        "url": url,
        "has_more": len(everything) > wanted.limit,
        "next_page": None,
        "data": everything[: wanted.limit],
    }
