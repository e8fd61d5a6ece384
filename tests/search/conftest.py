"""The case of facts' tests: an incident, two organisations, people."""

from tests.facts.conftest import world

__all__ = ["world"]
