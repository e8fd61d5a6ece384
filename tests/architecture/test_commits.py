"""Who commits: routes, the job runner and the start; never a service. Who appends to the ledger: the unit of work."""

import ast
from collections.abc import Iterator
from pathlib import Path

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


def calls(method: str) -> Iterator[str]:
    """``file:line`` of every call of a method of this name."""
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "writer":
                    continue  # A blob's: it makes a file durable, and commits no transaction.
                yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_commit_when_called_then_in_routes_runner_and_start_only() -> None:
    found = list(calls("commit"))
    assert any(place.startswith("api/") for place in found), "the search finds nothing: it is broken"
    assert [place for place in found if not place.startswith(MAY_COMMIT)] == []


def test_ledger_when_appended_to_then_by_the_unit_of_work_alone() -> None:
    """Whoever holds ``log.append`` could write an act without its change, or a change in two transactions."""
    found = {
        str(file.relative_to(ROOT))
        for file in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "log.append")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "app.ledger.log"
            and any(name.name == "append" for name in node.names)
        )
    }
    assert found == {"unit_of_work.py"}


def test_models_when_written_then_relate_by_ids_and_load_nothing_by_themselves() -> None:
    """A lazy relationship is a query that nobody sees, and a way around ``authorise``."""
    files = sorted(ROOT.rglob("*.py"))
    named = {
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("relationship", "backref")
    }
    assert named == set()


def test_imports_when_written_then_stand_at_the_top() -> None:
    inside = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted(ROOT.rglob("*.py"))
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert inside == []
