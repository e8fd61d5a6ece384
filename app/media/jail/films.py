"""What a child of the zygote for films decodes with: FFmpeg, and what needs it. Imported there alone.

FFmpeg and what it brings are two thirds of all mappings of memory that a child has to be given at its birth and to give
back at its end: most files are pictures, and their zygote has never loaded it.
"""

from typing import BinaryIO

import av

from app.media.jail import heif, videos
from app.media.jail.canvas import Canvas
from app.media.jail.clock import SAMPLES_RULE
from app.media.jail.images import Emit
from app.media.jail.request import Request


def prepare() -> None:
    """Loads every decoder once."""
    videos.prepare()


def decode(file: BinaryIO, request: Request, emit: Emit, canvas: Canvas | None) -> str | None:
    """Sends what the file holds; says why when something is missing. Raises what ``videos`` and ``heif`` raise."""
    if request.decoder == "HEIF":
        return heif.decode_heif(file, request.limits, emit, canvas, claims_only=request.claims_only)
    return videos.decode_video(file, request.decoder, request.limits, emit)


def versions() -> dict[str, str]:
    """FFmpeg's libraries, and the rule by which frames are taken."""
    found = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return found | dict([SAMPLES_RULE.split("/")])
