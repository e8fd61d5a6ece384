"""The operations of the OpenAPI document, as the tests walk them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.api import built_app


@dataclass(frozen=True)
class Documented:
    """One operation: where it stands and what the document says of it."""

    name: str
    method: str
    path: str
    facts: Mapping[str, Any]

    def parameters(self, place: str) -> set[str]:
        """Names of the parameters in ``path``, ``query`` or ``header``."""
        return {found["name"] for found in self.facts.get("parameters", ()) if found["in"] == place}

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.facts["responses"]}

    @property
    def body(self) -> Mapping[str, Any]:
        """The request's media types."""
        found: Mapping[str, Any] = self.facts.get("requestBody", {}).get("content", {})
        return found


@cache
def operations() -> dict[str, Documented]:
    """Every operation by its operationId."""
    return {
        facts["operationId"]: Documented(facts["operationId"], method.upper(), path, facts)
        for path, methods in built_app().openapi()["paths"].items()
        for method, facts in methods.items()
    }
