"""Acts: every event's type is one row of the specification, belongs to one class, and some service records it."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import app
from app.ledger.event import Event

ROOT = Path(app.__file__).parent
SPECIFICATION = ROOT.parent / "docs" / "ledger.md"
ROW = re.compile(r"^\| (?:system|case|evidence|both|incident) \| (?P<types>[^|]+) \|", re.MULTILINE)
SHARED = {"export.created": {"ExportCreated", "CaseExportCreated"}}
"""One act with other facts in the case's stream than in the others."""


def event_classes() -> list[type[Event]]:
    for file in sorted(ROOT.glob("*/events.py")):
        import_module(f"app.{file.parent.name}.events")
    found: list[type[Event]] = []
    pending = Event.__subclasses__()
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        if kind.__module__.startswith("app.") and "TYPE" in vars(kind):
            found.append(kind)
    return found


def specified_types() -> set[str]:
    """The types of the table of acts; ``_x`` and ``x`` are written short for the type before them."""
    text = SPECIFICATION.read_text(encoding="utf-8").partition("## Acts and entry types")[2].partition("\n## ")[0]
    found: list[str] = []
    for row in ROW.finditer(text):
        for part in re.split("[,;]", re.sub(r"\([^)]*\)", "", row["types"])):
            word = part.strip()
            if word.startswith("_"):
                word = found[-1].rpartition("_")[0] + word
            elif "." not in word:
                word = f"{found[-1].partition('.')[0]}.{word}"
            found.append(word)
    return set(found)


def named_outside() -> Iterator[str]:
    """Names that the product's code uses (importing one is no use), outside the modules that declare events."""
    for file in sorted(ROOT.rglob("*.py")):
        if file.name != "events.py":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Name):
                    yield node.id


def test_specification_when_read_then_its_short_forms_are_understood() -> None:
    types = specified_types()
    assert {"system.account_created", "system.account_credentials_changed", "system.token_created"} <= types
    assert {"evidence.signed_off", "incident.evidence_linked", "export.created", "evidence.integrity_checked"} <= types


def test_event_types_when_declared_then_each_has_one_class_and_a_row_in_the_specification() -> None:
    by_type: dict[str, set[str]] = {}
    for kind in event_classes():
        by_type.setdefault(kind.TYPE, set()).add(kind.__name__)
    assert len(by_type) > 30
    assert {name: kinds for name, kinds in by_type.items() if len(kinds) > 1} == SHARED
    assert set(by_type) - specified_types() == set()


def test_event_classes_when_declared_then_each_is_recorded_somewhere() -> None:
    named = set(named_outside())
    assert [kind.__name__ for kind in event_classes() if kind.__name__ not in named] == []
