"""The operations of the committed OpenAPI document, as the tests walk them.

Whoever looks tests up reads it: to make it takes more than a second, and that it is the one which the code makes is
tested once, in tests/architecture.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "openapi" / "openapi.json"


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
def document() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return read


@cache
def operations() -> dict[str, Documented]:
    """Every operation by its operationId."""
    return {
        facts["operationId"]: Documented(facts["operationId"], method.upper(), path, facts)
        for path, methods in document()["paths"].items()
        for method, facts in methods.items()
    }
