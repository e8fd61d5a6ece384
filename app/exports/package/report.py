"""The report for people, as one HTML page and as PDF: the same blocks, gone through once. Reading copies; sealed."""

import tempfile
from collections.abc import Iterator
from typing import IO

from app.exports.dossier import Dossier
from app.exports.report.chapters import Report
from app.exports.report.html_pages import HtmlReport
from app.exports.report.pdf_pages import PdfReport
from app.exports.staging import CHUNK_BYTES

PATH = "data/report/"


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Both are written to unnamed files as the blocks come, so that neither is ever held."""
    with tempfile.TemporaryFile(dir=dossier.scratch) as page, tempfile.TemporaryFile(dir=dossier.scratch) as printed:
        report = Report(dossier)
        html, pdf = HtmlReport(page.write, report.title), PdfReport(printed.write, report.running)
        for block in report.blocks():
            html.take(block)
            pdf.take(block)
        html.close()
        pdf.close(title=report.title, identity=str(dossier.id).encode("ascii"), made=dossier.time)
        yield f"{PATH}report.html", _chunks(page)
        yield f"{PATH}report.pdf", _chunks(printed)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
