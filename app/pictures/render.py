"""Draws pictures, one at a time in a process: the library that draws shares its fonts between threads.

The library is loaded with the first picture (a second of processor time that no start of the API pays), with no font
but the one that comes with it, no settings but its defaults, and no directory of this machine but one of its own.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType

from app.pictures.chart import Chart, Map, PictureFormat

_one_at_a_time = Lock()


def draw_chart(chart: Chart, picture_format: PictureFormat) -> bytes:
    """The file of a chart; the same chart gives the same bytes."""
    with _one_at_a_time:
        drawn: bytes = _drawing("bars").draw(chart, picture_format)
        return drawn


def draw_map(shown: Map, picture_format: PictureFormat) -> bytes:
    """The file of a map; the same map gives the same bytes."""
    with _one_at_a_time:
        drawn: bytes = _drawing("points").draw(shown, picture_format)
        return drawn


@cache
def _drawing(name: str) -> ModuleType:
    _keep_to_itself()
    return import_module(f"app.pictures.drawing.{name}")


@cache
def _keep_to_itself() -> None:
    directory = tempfile.mkdtemp(prefix="exhibit-drawing-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.environ.setdefault("MPLCONFIGDIR", directory)
    os.environ.setdefault("MPL_IGNORE_SYSTEM_FONTS", "1")
