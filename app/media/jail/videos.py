"""Decodes one video inside the jail: frames that changed, with their times, and the container's claims.

The rule ``samples/1``, part of every video fingerprint's meaning: ten samples a second of presentation time, counted
from the first frame (``FrameClock``: in order whatever the stamps are); a sample is kept when its 64 × 36 luma differs
from the last kept one's by 2.5 or more of 255 on average, or when 2 seconds have passed, and when it is the last one,
which says until when the one before was shown (``frames/1`` did not keep it); kept frames are RGB, longer side 512
pixels, turned and mirrored as its matrix says.
The difference is only a cheap sieve: the worker keeps, of these, the frames whose hash moved, and the last one.
"""

import importlib
import io
import pkgutil
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import av
import av.container
import av.video
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

from app.media.jail.clock import FrameClock
from app.media.jail.containers import Outline, outline
from app.media.jail.damaged import NothingThere
from app.media.jail.display import Display
from app.media.jail.images import Emit, TooManyPixels
from app.media.jail.limits import DecodeLimits
from app.media.jail.tags import movie_tags

SAMPLE_EVERY_MS = 100
KEEP_AT_LEAST_EVERY_MS = 2000
KEEP_FROM_LUMA_DIFFERENCE = 2.5
FRAME_SIDE_PIXELS = 512
TELL_PROGRESS_EVERY_S = 1.0
_LUMA_SIZE = (64, 36)
_LARGEST_CLAIM = 2**40
"""In milliseconds 34 years; in bits a second beyond any recording."""
_MAX_DAMAGED_PACKETS_IN_A_ROW = 200

VIDEO_CODECS = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4", "mjpeg", "h263", "mpeg1video",
    "mpeg2video", "msmpeg4", "msmpeg4v2",
)  # fmt: skip
"""What may decode pictures. Sound and subtitles are never decoded."""


_CUT_OFF_EARLY = "the recording is cut off before its first picture, or within its index"


class NoPictures(NothingThere):
    """The container has no video stream that may be decoded; the message says why."""


def prepare() -> None:
    """Loads all that decoding loads by and by, so that confined children need no file. No hostile byte is read here."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    sample = io.BytesIO()
    with av.open(sample, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48)
        stream.codec_context.thread_count = 1
        for shade in (40, 200):
            pixels = np.full((48, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.video.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    sample.seek(0)
    decode_video(sample, "mp4", DecodeLimits(), lambda _header, _payload: None)


def decode_video(
    file: BinaryIO, demuxer: str, limits: DecodeLimits, emit: Emit, *, beside_pictures: bool = False
) -> str | None:
    """Sends the claims and the kept frames. Says why when not all that the recording claims to hold could be decoded.
    With ``beside_pictures`` tracks of one frame are none: FFmpeg shows a HEIF's pictures so.

    Raises NoPictures, TooManyPixels, MemoryError and av.FFmpegError.
    """
    # Format, protocols and codecs by allow list: without these, a playlist reads other files and the network.
    options = {"format_whitelist": demuxer, "protocol_whitelist": "", "codec_whitelist": ",".join(VIDEO_CODECS)}
    found = outline(file, demuxer)
    with _opened(file, demuxer, options, found) as container:
        stream = _video_stream(container, found, beside_pictures=beside_pictures)
        context = stream.codec_context
        _check_pixels(context.width, context.height, limits)
        context.thread_count = 1
        context.options = {"max_pixels": str(limits.video_pixels), "codec_whitelist": options["codec_whitelist"]}
        emit({"type": "claims", **_claims(container, stream)}, memoryview(b""))
        sampler = _Sampler(emit, _step_ms(stream))
        damaged = 0
        for frame in _frames(container, stream):
            if frame is None:
                damaged += 1
                continue
            _check_pixels(frame.width, frame.height, limits)
            if sampler.kept == 0:
                emit({"type": "claims", **_display_claims(frame)}, memoryview(b""))
            sampler.take(frame)
        sampler.end()
        if sampler.kept == 0:
            raise NoPictures(_CUT_OFF_EARLY if found.is_cut_off else "no frame could be decoded")
        sampler.tell_progress()
        if found.is_cut_off or not sampler.seems_whole(stream.frames, _duration_ms(container, stream)):
            return f"the recording is cut off: it could be decoded as far as second {sampler.last_s}"
        return f"damaged in {damaged} places, which were passed over" if damaged else None


def _opened(file: BinaryIO, demuxer: str, options: dict[str, str], found: Outline) -> av.container.InputContainer:
    """Raises NoPictures with the reason in words, and MemoryError."""
    try:
        return av.open(file, mode="r", format=demuxer, container_options=options, metadata_errors="replace")
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        if not found.has_index:
            reason = "the index (moov) is missing: the recording was cut off before it was written"
        elif found.is_cut_off:
            reason = _CUT_OFF_EARLY
        else:
            reason = f"not a readable {demuxer} file"
        raise NoPictures(reason) from error


def _video_stream(
    container: av.container.InputContainer, found: Outline, *, beside_pictures: bool
) -> av.video.VideoStream:
    """The one with the largest pictures, of these the first: cameras write small copies and covers beside it."""
    streams = []
    for stream in container.streams.video:
        context = getattr(stream, "codec_context", None)  # None when FFmpeg knows no decoder for it.
        is_cover = stream.disposition & Disposition.attached_pic or (beside_pictures and stream.frames == 1)
        if context is not None and context.codec.name in VIDEO_CODECS and not is_cover:
            streams.append(stream)
    if not streams:
        raise NoPictures(_CUT_OFF_EARLY if found.is_cut_off else "the file has no video stream of a supported codec")
    return max(streams, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def _frames(
    container: av.container.InputContainer, stream: av.video.VideoStream
) -> Iterator[av.video.VideoFrame | None]:
    """Every frame that can be decoded, in order; None in the place of each damaged part."""
    damaged_in_a_row = 0
    packets = container.demux(stream)
    while damaged_in_a_row < _MAX_DAMAGED_PACKETS_IN_A_ROW:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            damaged_in_a_row += 1
            yield None
            continue
        if frames:
            damaged_in_a_row = 0
        yield from frames


class _Sampler:
    """Ten samples a second; keeps those that changed."""

    def __init__(self, emit: Emit, step_ms: int | None) -> None:
        self._emit = emit
        self._clock = FrameClock(step_ms)
        self._luma = VideoReformatter()
        self._rgb = VideoReformatter()
        self._next_sample_ms = 0
        self._kept_luma: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        self._kept_ms = 0
        self._passed_over: tuple[av.video.VideoFrame, int] | None = None
        """The sample after the last one that was kept, and its time."""
        self._last_ms = 0
        self._told_at_s = time.monotonic()
        self._seen = 0
        self.kept = 0

    def take(self, frame: av.video.VideoFrame) -> None:
        time_ms = self._last_ms = self._clock.time_of(frame.time)
        self._seen += 1
        if time.monotonic() - self._told_at_s >= TELL_PROGRESS_EVERY_S:
            self.tell_progress()
        if time_ms < self._next_sample_ms:
            return
        self._next_sample_ms = (time_ms // SAMPLE_EVERY_MS + 1) * SAMPLE_EVERY_MS
        # To enlarge, FFmpeg's fast way writes machine code for itself, which the jail refuses.
        is_enlarged = frame.width <= _LUMA_SIZE[0]
        interpolation = Interpolation.BILINEAR if is_enlarged else Interpolation.FAST_BILINEAR
        small = self._luma.reformat(frame, *_LUMA_SIZE, format="gray", interpolation=interpolation, threads=1)
        luma = small.to_ndarray().astype(np.int16)
        if not self._is_worth_keeping(luma, time_ms):
            self._passed_over = frame, time_ms
            return
        self._kept_luma, self._kept_ms = luma, time_ms
        self._keep(frame, time_ms)

    def end(self) -> None:
        """After the last frame that could be decoded."""
        if self._passed_over is not None:
            self._keep(*self._passed_over)

    def _keep(self, frame: av.video.VideoFrame, time_ms: int) -> None:
        self._passed_over = None
        self.kept += 1
        self._send(frame, time_ms)

    def tell_progress(self) -> None:
        """How far decoding has come, also while nothing changes in the picture; at last, where the recording ends."""
        self._told_at_s = time.monotonic()
        self._emit({"type": "progress", "time_ms": self._last_ms}, memoryview(b""))

    @property
    def last_s(self) -> str:
        """The time of the last frame, in seconds from the first one."""
        return f"{self._last_ms / 1000:.1f}"

    def seems_whole(self, claimed_frames: int, claimed_duration_ms: int | None) -> bool:
        """Whether what came is what the container claims. The count is the better measure, where there is one: the
        last frame of a screen recording may last for seconds. One in twenty may be missing (edit lists cut some off).
        """
        if claimed_frames > 0:
            return self._seen >= claimed_frames * 0.95
        if claimed_duration_ms is None:
            return True
        return self._last_ms >= claimed_duration_ms - max(500, claimed_duration_ms // 20)

    def _is_worth_keeping(self, luma: np.ndarray[tuple[int, ...], np.dtype[np.int16]], time_ms: int) -> bool:
        if self._kept_luma is None or time_ms - self._kept_ms >= KEEP_AT_LEAST_EVERY_MS:
            return True
        return float(np.abs(luma - self._kept_luma).mean()) >= KEEP_FROM_LUMA_DIFFERENCE

    def _send(self, frame: av.video.VideoFrame, time_ms: int) -> None:
        scale = min(1.0, FRAME_SIDE_PIXELS / max(frame.width, frame.height))
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        scaled = self._rgb.reformat(frame, width, height, format="rgb24", interpolation=Interpolation.AREA, threads=1)
        upright = _display_of(frame).upright(scaled.to_ndarray())  # type: ignore[arg-type]  # RGB of 8 bits.
        self._emit(
            {"type": "frame", "time_ms": time_ms, "width": upright.shape[1], "height": upright.shape[0]},
            upright.data,
        )


def _display_of(frame: av.video.VideoFrame) -> Display:
    try:
        matrix = frame.side_data.get(SideData.DISPLAYMATRIX)  # type: ignore[call-overload]  # PyAV's stub says str.
    except ValueError:  # PyAV has no name for something beside the matrix: the EXIF of a camera's JPEG, say.
        return Display.turned_by(-frame.rotation)
    return Display.from_side_data(None if matrix is None else bytes(matrix))


def _display_claims(frame: av.video.VideoFrame) -> dict[str, object]:
    display = _display_of(frame)
    turned: dict[str, object] = {"rotation_degrees": display.rotation_degrees}
    return turned | ({"is_mirrored": True} if display.is_mirrored else {})


def _step_ms(stream: av.video.VideoStream) -> int | None:
    """From one frame to the next, by the frame rate that the container claims."""
    return round(1000 / stream.average_rate) if stream.average_rate and stream.average_rate > 0 else None


def _claims(container: av.container.InputContainer, stream: av.video.VideoStream) -> dict[str, object]:
    context = stream.codec_context
    claims: dict[str, object] = {
        "width": context.width,
        "height": context.height,
        "video_codec": context.codec.canonical_name,
        "has_audio": bool(container.streams.audio),
        "stream_count": len(container.streams),
    }
    if context.pix_fmt:  # Tells 8 from 10 bits.
        claims["pixel_format"] = context.pix_fmt
    if (duration_ms := _duration_ms(container, stream)) is not None:
        claims["duration_ms"] = duration_ms
    if stream.average_rate:
        claims["frame_rate"] = str(Fraction(stream.average_rate).limit_denominator(100_000))
    if 0 < container.bit_rate <= _LARGEST_CLAIM:
        claims["bit_rate_bps"] = container.bit_rate
    for name, tags in (("container_tags", container.metadata), ("track_tags", stream.metadata)):
        if found := movie_tags(tags):
            claims[name] = found
    return claims


def _duration_ms(container: av.container.InputContainer, stream: av.video.VideoStream) -> int | None:
    """None, too, for a length that cannot be: it would be refused on the way, and the pictures with it."""
    if stream.duration and stream.time_base:
        duration_ms = round(stream.duration * stream.time_base * 1000)
    else:
        duration_ms = round((container.duration or 0) / 1000)
    return duration_ms if 0 < duration_ms <= _LARGEST_CLAIM else None


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.video_pixels:
        raise TooManyPixels(f"frames of {width} × {height} pixels; at most {limits.video_pixels} are decoded")
