"""Who commits: routes, the job runner and the start; never a service. Who appends to the ledger: the unit of work."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent
MAY_COMMIT = (
    *("api/", "unit_of_work.py", "worker.py", "bootstrap.py", "migration.py", "kernel/"),
    *("ledger/integrator.py", "ledger/halting.py"),
    "audits/loop.py",  # Another: a check of the whole log.
    "worker_process.py",  # What the worker found of its decoder at its start.
    *("ledger_operations.py", "fingerprints_command.py", "vault_command.py"),  # An operator's commands.
    "job_table.py",  # The workers' chores.
    "auditing/making.py",  # Another: each month's log, its entry and its job by themselves.
    "anchors/stamping.py",  # A runner beside the jobs: a stamp that came and its entry.
)
RELATING = ("relationship", "backref")
HOLDING = {"viewonly": True, "lazy": "raise"}


@cache
def nodes() -> Sequence[tuple[Path, ast.AST]]:
    """The product's code, of each file every node; forgotten at the end of this file's tests."""
    return [
        (file.relative_to(ROOT), node)
        for file in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Attribute, ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ImportFrom))
    ]


@pytest.fixture(scope="module", autouse=True)
def forget() -> Iterator[None]:
    yield
    nodes.cache_clear()


def calls(method: str) -> Iterator[str]:
    """``file:line`` of every call of a method of this name."""
    for file, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "writer":
                continue  # A blob's: it makes a file durable, and commits no transaction.
            yield f"{file}:{node.lineno}"


def test_commit_when_called_then_in_routes_runner_and_start_only() -> None:
    found = list(calls("commit"))
    assert any(place.startswith("api/") for place in found), "the search finds nothing: it is broken"
    assert [place for place in found if not place.startswith(MAY_COMMIT)] == []


def test_ledger_when_appended_to_then_by_the_unit_of_work_alone() -> None:
    """Whoever holds ``log.append`` could write an act without its change, or a change in two transactions."""
    found = {
        str(file)
        for file, node in nodes()
        if (isinstance(node, ast.Attribute) and node.attr == "append" and ast.unparse(node) == "log.append")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "app.ledger.log"
            and any(name.name == "append" for name in node.names)
        )
    }
    assert found == {"unit_of_work.py"}


def test_models_when_written_then_relate_by_ids_and_load_nothing_by_themselves() -> None:
    """A lazy relationship is a query that nobody sees, and a way around ``authorise``. One that only holds what a
    statement named, and raises where none did, is neither."""
    named = {
        f"{file}:{node.lineno}"
        for file, node in nodes()
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in RELATING)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in RELATING)
        )
        and {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords} != HOLDING
    }
    assert named == set()


def test_imports_when_written_then_stand_at_the_top() -> None:
    inside = [
        f"{file}:{node.lineno}"
        for file, function in nodes()
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert inside == []
