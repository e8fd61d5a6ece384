"""The operator's documentation names every setting, with the default it really has."""

import json
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.kernel.settings import Settings

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (unset|`[^`]+`) \| (.+) \|$", re.MULTILINE)


def variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or f"{Settings.model_config['env_prefix']}{name.upper()}")


def default(field: FieldInfo) -> str:
    """As one would write it into the environment."""
    value = field.default
    if value is None:
        return "unset"
    return f"`{json.dumps(value) if isinstance(value, tuple) else value}`"


def documented() -> dict[str, str]:
    return {name: written for name, written, _ in ROW.findall(DEPLOYMENT.read_text(encoding="utf-8"))}


def test_settings_table_when_compared_with_settings_then_names_each_with_its_default() -> None:
    expected = {variable(name, field): default(field) for name, field in Settings.model_fields.items()}
    assert documented() == expected


def test_settings_table_when_its_defaults_are_set_then_settings_are_as_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in documented():
        monkeypatch.delenv(name, raising=False)
    untouched = Settings()
    for name, written in documented().items():
        if written != "unset":
            monkeypatch.setenv(name, written.strip("`"))
    assert Settings() == untouched
