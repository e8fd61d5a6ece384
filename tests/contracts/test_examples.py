"""What the contract shows as an example of a body, the operation takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app.api.routers  # noqa: F401 - imported for the shapes that it defines
from app.api.http import Input


def _below(shape: type[Input]) -> Iterator[type[Input]]:
    for one in shape.__subclasses__():
        yield one
        yield from _below(one)


DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text(encoding="utf-8"))


def _shown() -> list[Any]:
    """From the document as it is published."""
    schemas = DOCUMENT["components"]["schemas"]
    return [
        pytest.param(shape, one, id=f"{shape.__name__}-{number}")
        for shape in dict.fromkeys(_below(Input))
        for number, one in enumerate(schemas.get(shape.__name__, {}).get("examples", []))
    ]


@pytest.mark.parametrize(("shape", "example"), _shown())
def test_example_when_it_is_sent_as_it_is_printed_then_its_shape_takes_it(
    shape: type[Input], example: dict[str, Any]
) -> None:
    shape.model_validate_json(json.dumps(example))
