"""How ``exhibit ledger verify`` shows what it does and what it found."""

import json
import sys
import time
from dataclasses import dataclass, field

from app.ledger.audit_report import AuditReport, Progress, silent

REDRAW_S = 0.2


@dataclass
class _Line:
    """One line on standard error that is drawn again and again."""

    redrawn_at: float = 0.0
    started_at: float = field(default_factory=time.monotonic)

    def tell(self, what: str, count: int) -> None:
        now = time.monotonic()
        if now - self.redrawn_at >= REDRAW_S:
            self.redrawn_at = now
            sys.stderr.write(f"\r{what}: {count:,} in {now - self.started_at:.0f} s\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class ProgressShown:
    """Context: progress on standard error when it is a terminal, or when asked for; the line goes at the end."""

    def __init__(self, *, is_asked: bool) -> None:
        self._line = _Line() if is_asked or sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return silent if self._line is None else self._line.tell

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.clear()


def show(report: AuditReport, summary: str, *, as_json: bool) -> int:
    """To standard output; the exit status: 0 all as it was logged, 1 not."""
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        for fault in report.faults:
            sys.stdout.write(f"{fault}\n")
        if report.faults_count > len(report.faults):
            sys.stdout.write(f"… and {report.faults_count - len(report.faults)} faults more\n")
        sys.stdout.write(f"{summary}: {report.faults_count} faults\n")
    return 1 if report.faults_count else 0
