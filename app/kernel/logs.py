"""Logs: one JSON object a line, ids only. An exception is logged by its class and where it was raised.

Messages and local variables can hold names, places and file names, so neither is ever written.
"""

import json
import logging
import sys
import traceback
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
FRAMES_KEPT = 12


def configure_logs(file: Path | None = None) -> None:
    """Send structlog's and the libraries' lines to a rotated file (0600), or to standard error."""
    if file is None:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        handler = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    shared: list[Any] = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _describe_exception]
    shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("procrastinate", "alembic", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, _render],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Our own lines come rendered; a library's record goes through the same steps here."""

    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg) if hasattr(record, "is_rendered") else super().format(record)


_to_json = json.JSONEncoder(default=repr).encode


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """The line, once: to hand the event on as a record and render it in the handler took twice the time."""
    return (_to_json(event),), {"extra": {"is_rendered": True}}


def place_of(error: BaseException) -> list[str]:
    """Where it was raised, innermost last: ``file:line function``, without message or values."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_KEPT:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _describe_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace ``exc_info`` by the exception's class and place."""
    given = event.pop("exc_info", None)
    record = event.get("_record")
    if given is None and record is not None:
        given, record.exc_info, record.exc_text = record.exc_info, None, None
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = place_of(error)
    return event
