"""``python -m app.openapi_document FILE``: write the OpenAPI document that the code makes."""

import json
import sys
from pathlib import Path

from app.main import build_app


def document_text() -> str:
    """The document as it is committed: sorted keys, so that a change shows as a small difference."""
    return json.dumps(build_app().openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document_text(), encoding="utf-8")
