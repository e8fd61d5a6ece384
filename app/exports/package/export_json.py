"""What the package claims to hold. Canonical JSON, no newline at its end."""

from collections.abc import Iterator
from typing import Any

from app.exports.dossier import Dossier
from app.kernel.primitives import canonical_json

PATH = "data/export.json"
FORMAT = "exhibit-export/v1"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield PATH, [canonical_json(document(dossier))]


def document(dossier: Dossier) -> dict[str, Any]:
    """Numbers and heads of streams include the export's own entry."""
    media = [{"path": each.path, "sha256": each.sha256, "size": each.size_bytes} for each in dossier.media]
    told: dict[str, Any] = {
        "format": FORMAT,
        "export_id": str(dossier.id),
        "case": str(dossier.case_id),
        "scope": dossier.scope,
        "seal_stream": str(dossier.case_id),
        "streams": [span.document() for span in dossier.spans],
        "log": dossier.vkey.name,
        "tree_size": dossier.inputs.tree_size,
        "media": media,
    }
    if dossier.is_redacted:
        told["derivatives"] = [
            {"path": each.path, "sha256": each.sha256, "size": each.size_bytes, "input_sha256": each.input_sha256}
            for each in dossier.copies
        ]
    return told
