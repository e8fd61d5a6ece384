"""A list that is asked for without filters, as most are, looks for none of them.

The framework looks for each query parameter that an operation and its dependencies declare: of thirty filters that are
not given, a fifth of what a page of a case's items takes. So such an operation has a second handler, to which only its
paging is declared. Left out are optional parameters alone, and what is called has their defaults in its signature.
"""

from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant

PAGING = frozenset({"limit", "cursor"})
MANY = 10
"""From so many filters on a second handler is worth its while."""


def has_many_filters(dependant: Dependant) -> bool:
    return _count_filters(dependant) >= MANY


def without_filters(dependant: Dependant) -> Dependant:
    """The same operation or dependency, told of no filters; so are its dependencies."""
    return replace(
        dependant,
        query_params=[each for each in dependant.query_params if not _is_filter(each)],
        dependencies=[without_filters(each) for each in dependant.dependencies],
    )


def asks_without_filters(request: Request) -> bool:
    """No parameter is given but those of paging; one that the operation does not know is refused either way."""
    return request.query_params.keys() <= PAGING


def _count_filters(dependant: Dependant) -> int:
    own = sum(_is_filter(each) for each in dependant.query_params)
    return own + sum(_count_filters(each) for each in dependant.dependencies)


def _is_filter(parameter: Any) -> bool:
    """``parameter``: as the framework keeps it, in a shape of its own."""
    return parameter.alias not in PAGING and not parameter.field_info.is_required()
