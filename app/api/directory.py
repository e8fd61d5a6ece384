"""Finds the operation of a request by its path's words, instead of asking one route after the other.

The framework asks each of its 58 routers, each of these each of its routes, and the router that is found once more: a
fifth of what reading an item's findings took. Here only those routes are asked whose words stand where the path's do.
Which of them it is, and with which parameters, they say themselves; what none of them takes goes the framework's way,
with its refusals (404, 405) and what is no operation (the documentation's pages).
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Words = tuple[int, str, str, str]
"""Of a path: how many parts it has, the first, the second, and the last; that one is empty where a parameter stands."""


class Directory:
    """In front of the framework's own routing, and inside all that it wraps around it."""

    def __init__(self, routing: App, routes: Iterable[APIRoute]) -> None:
        """``routes``: in the order in which the framework asks them."""
        self._routing = routing
        self._routes: dict[Words, list[APIRoute]] = defaultdict(list)
        for route in routes:
            words = _words_of_route(route.path)
            if words is not None:
                self._routes[words].append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self.find(scope)
        handle = self._routing if operation is None else operation.handle
        await handle(scope, receive, send)

    def find(self, scope: Scope) -> APIRoute | None:
        """The operation that takes this method at this path; the scope is told what it was found by."""
        if scope["type"] != "http":
            return None
        for words in _words_of_path(scope["path"]):
            for route in self._routes.get(words, ()):
                match, found_by = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found_by)
                    return route
        return None


def _words_of_route(path: str) -> Words | None:
    """None where parameters come first or take several parts, as in the public log: these are left to the framework."""
    _, *parts = path.split("/")
    if len(parts) < 2 or "{" in parts[0] + parts[1] or ":path}" in path:
        return None
    return len(parts), parts[0], parts[1], "" if "{" in parts[-1] else parts[-1]


def _words_of_path(path: str) -> list[Words]:
    """Whose routes may take it: those that end with its last word, then those that end with a parameter."""
    _, *parts = path.split("/")
    if len(parts) < 2:
        return []
    return [(len(parts), parts[0], parts[1], last) for last in (parts[-1], "")]
