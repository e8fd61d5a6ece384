"""HEIF inside the jail: its pictures by libheif, and its image sequence (a track, as in a film) by FFmpeg.

A sequence (ISO/IEC 23008-12, 7) is a ``moov`` box beside or instead of the pictures. Beside them its frames come
behind the last page. Instead of them its first frame is the file's picture (rule ``samples/1``: at most 512 pixels).
"""

from typing import BinaryIO

from app.media.jail import images, videos
from app.media.jail.canvas import Canvas
from app.media.jail.containers import outline
from app.media.jail.images import Emit
from app.media.jail.limits import DecodeLimits
from app.media.jail.wire import Stream

_DEMUXER = "mov"
_OF_PICTURE = ("width", "height", "container_tags", "duration_ms", "video_codec", "pixel_format", "rotation_degrees")


class _Enough(Exception):
    """The first picture was sent, and no more is asked for."""


class _Film:
    """Sends what a film gives as the further frames of a picture's file; the first as its picture if it has none."""

    def __init__(self, emit: Emit, *, claims_only: bool) -> None:
        self._emit = emit
        self._claims_only = claims_only
        self.last_ms: int | None = None
        """Of what was sent last; None before the picture."""
        self._base_ms: int | None = None

    def take_picture(self, header: dict[str, object], payload: memoryview | Stream) -> None:
        """What ``images`` sends, passed on."""
        if header["type"] in ("picture", "frame"):
            time_ms = header.get("time_ms", 0)
            self.last_ms = time_ms if isinstance(time_ms, int) else 0
        self._emit(header, payload)

    def take_frame(self, header: dict[str, object], payload: memoryview | Stream) -> None:
        """What ``videos`` sends."""
        if header["type"] == "claims" and self._base_ms is None and self.last_ms is None:
            self._emit({name: value for name, value in header.items() if name in ("type", *_OF_PICTURE)}, payload)
        if header["type"] != "frame":
            return
        size = {"width": header["width"], "height": header["height"]}
        if self.last_ms is None:
            self.last_ms = self._base_ms = 0
            self._emit({"type": "picture", **size}, payload)
        else:
            if self._base_ms is None:
                self._base_ms = self.last_ms
            time_ms = header["time_ms"]
            self.last_ms = max(self.last_ms + 1, self._base_ms + (time_ms if isinstance(time_ms, int) else 0))
            self._emit({"type": "frame", "time_ms": self.last_ms, **size}, payload)
        if self._claims_only:
            raise _Enough


def decode_heif(
    file: BinaryIO, limits: DecodeLimits, emit: Emit, canvas: Canvas | None = None, *, claims_only: bool = False
) -> str | None:
    """As :func:`images.decode_image`, which it calls; raises what that raises, and of a sequence alone what
    :func:`videos.decode_video` does."""
    has_film = outline(file, _DEMUXER).has_index
    film = _Film(emit, claims_only=claims_only)
    shortfall = None
    try:
        shortfall = images.decode_image(file, "HEIF", limits, film.take_picture, canvas, claims_only=claims_only)
    except (MemoryError, images.TooManyPixels):
        raise
    except Exception:
        if not has_film or film.last_ms is not None:
            raise  # Else libheif can read no picture in it.
    if not has_film or (claims_only and film.last_ms is not None):
        return shortfall
    is_alone = film.last_ms is None
    if is_alone:
        emit({"type": "claims", "sequence": "animation"}, memoryview(b""))
    file.seek(0)
    try:
        of_film = videos.decode_video(file, _DEMUXER, limits, film.take_frame, beside_pictures=not is_alone)
    except _Enough:
        return shortfall
    except videos.NoPictures as error:
        if is_alone:
            raise
        of_film = f"its sequence: {error}"
    if is_alone and film.last_ms == 0:  # FFmpeg shows a picture of a file whose track it cannot read.
        of_film = of_film or "of the sequence no more than one picture can be read"
    return "; ".join(filter(None, (shortfall, of_film))) or None
