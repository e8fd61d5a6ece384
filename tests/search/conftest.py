"""The case of facts' tests: an incident, two organisations, people."""

from tests.facts.conftest import database, prepared, world

__all__ = ["database", "prepared", "world"]
