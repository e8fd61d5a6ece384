"""The contract: the committed OpenAPI document is the one that the code makes, and it is complete."""

from typing import Any

import pytest
from fastapi import APIRouter

from app.main import UndeclaredAccess, build_app, require_declared_access
from app.openapi_document import document_text
from tests.contracts.document import DOCUMENT, document

pytestmark = pytest.mark.contract


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_document_when_generated_then_it_equals_the_committed_one() -> None:
    assert document_text() == DOCUMENT.read_text(encoding="utf-8"), "run `make openapi` and commit the result"


@pytest.mark.parametrize(
    ("method", "path", "operation"), operations(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_operation_when_documented_then_it_has_summary_description_id_access_and_errors(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"], f"{method} {path} has no description"
    assert operation["operationId"].isidentifier()
    assert operation["x-access"]
    if operation["x-access"] != "public":
        assert "401" in operation["responses"], f"{method} {path} does not document 401"
    if "requestBody" in operation or "{" in path or operation.get("parameters"):
        assert any(status in operation["responses"] for status in ("422", "404")), f"{method} {path}"


def test_operation_ids_when_listed_then_each_is_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_schemas_when_named_then_no_two_classes_share_a_name() -> None:
    """FastAPI marks those that do with the module's name, or with the direction."""
    names = document()["components"]["schemas"]
    marks = ("__", "-Input", "-Output")
    assert [name for name in names if any(mark in name for mark in marks)] == []


def test_json_request_bodies_when_documented_then_they_refuse_unknown_fields() -> None:
    schemas = document()["components"]["schemas"]
    for method, path, operation in operations():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        reference = body.get("$ref", "").rpartition("/")[2]
        if reference:
            schema = schemas[reference]
            variants = [schemas[v["$ref"].rpartition("/")[2]] for v in schema.get("oneOf", [])] or [schema]
            assert all(variant.get("additionalProperties") is False for variant in variants), f"{method} {path}"


def test_app_when_an_operation_declares_no_access_rule_then_it_does_not_start() -> None:
    app = build_app()
    router = APIRouter()

    @router.get("/v1/forgotten", name="forgotten")
    def forgotten() -> None: ...

    app.include_router(router)
    with pytest.raises(UndeclaredAccess, match="forgotten"):
        require_declared_access(app)
