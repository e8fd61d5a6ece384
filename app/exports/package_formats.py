"""What a package holds below ``data/``, each part a file of ``app/exports/package``: a new one is a module and a place.

A part writes one file or one folder. They stand in the order of the bytes of their paths, as the zip has its members.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from app.exports.dossier import Dossier
from app.exports.package import (
    anchors,
    case_leaves,
    checkpoint,
    custody_graph,
    custody_table,
    disclosures,
    export_json,
    grown,
    incidents_geojson,
    media_list,
    proofs,
    readme,
    report,
    stream_list,
    streams,
    trust,
    verdicts,
    verifier,
)

PackageFile = tuple[str, Iterable[bytes]]
"""A path from the bag's root, and the file's bytes."""


class PackageFormat(Protocol):
    """What a part's module offers. ``PATH``: the file, or the folder with its slash."""

    PATH: str

    def write(self, dossier: Dossier) -> Iterator[PackageFile]:
        """Its files in the order of their paths, in constant memory; none, if the package has nothing of it."""
        ...


COPIES_FOLDER, MEDIA_FOLDER = "data/derivatives/", "data/media/"
"""Redacted copies, originals: the parts that are not written from the ledger."""

PACKAGE_FORMATS: tuple[PackageFormat, ...] = (
    readme,  # data/README.txt
    anchors,  # data/anchors/
    custody_graph,  # data/case/custody.jsonld
    custody_table,  # data/custody.csv
    export_json,  # data/export.json
    incidents_geojson,  # data/incidents.geojson
    checkpoint,  # data/ledger/checkpoint
    grown,  # data/ledger/checkpoints/, data/ledger/consistency/
    disclosures,  # data/ledger/disclosures.jsonl
    case_leaves,  # data/ledger/leaves.txt
    media_list,  # data/ledger/media.json
    proofs,  # data/ledger/proofs/
    stream_list,  # data/ledger/streams.json
    streams,  # data/ledger/streams/
    report,  # data/report/
    trust,  # data/trust/
    verdicts,  # data/verdicts/
    verifier,  # data/verify/
)
