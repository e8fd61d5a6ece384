"""A setting that nothing reads would promise an operator what it does not keep."""

import ast
from pathlib import Path

import app
from app.kernel.settings import Settings

ROOT = Path(app.__file__).parent


def attributes_read() -> set[str]:
    return {
        node.attr
        for file in sorted(ROOT.rglob("*.py"))
        if file.name != "settings.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def test_settings_when_declared_then_each_is_read_somewhere() -> None:
    assert set(Settings.model_fields) - attributes_read() == set()
