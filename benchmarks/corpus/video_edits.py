"""What is done to videos before they are used again. An edit maps frames to frames; spans say what is where.

A clip is a list of RGB pictures at 12.5 a second, small enough to be held: 12 s at 640 pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from benchmarks.corpus import photograph_edits as pictures
from benchmarks.corpus.sources import Source

FRAMES_PER_S = Fraction(25, 2)
SIDE_PIXELS = 640
Clip = list[Image.Image]


@dataclass(frozen=True, slots=True)
class Span:
    """These seconds of the query show those of the reference; ``to_s`` before ``from_s``: played backwards."""

    reference: str
    query_from_s: float
    query_to_s: float
    from_s: float
    to_s: float


def read_clip(source: Source) -> Clip:
    """The source's frames, upright, the longer side at most 640 pixels."""
    clip: Clip = []
    with av.open(str(source.path)) as container:
        for frame in container.decode(video=0):
            time_s = float(frame.time or 0)
            if time_s >= source.to_s:
                break
            if time_s >= source.from_s and time_s - source.from_s >= len(clip) / FRAMES_PER_S:
                image = Image.fromarray(frame.to_ndarray(format="rgb24"))
                clip.append(
                    ImageOps.contain(image, (SIDE_PIXELS, SIDE_PIXELS)) if max(image.size) > SIDE_PIXELS else image
                )
    return clip


def pan(photograph: Image.Image, random: Random, seconds: int = 10) -> Clip:
    """A camera moving over a photograph by hand: it drifts, shakes and zooms."""
    clip, base = [], ImageOps.fit(photograph, (1600, 1200))
    x, y, zoom, drift_x, drift_y = 400.0, 300.0, 1.0, random.uniform(-7, 7), random.uniform(-5, 5)
    for _ in range(int(seconds * FRAMES_PER_S)):
        x, y, zoom = (
            x + drift_x + random.gauss(0, 2),
            y + drift_y + random.gauss(0, 2),
            zoom + random.uniform(-0.01, 0.012),
        )
        drift_x = -drift_x if not 20 < x < 780 else drift_x
        drift_y = -drift_y if not 20 < y < 580 else drift_y
        x, y, zoom = min(max(x, 0), 800), min(max(y, 0), 600), min(max(zoom, 0.8), 1.25)
        width, height = 800 / max(zoom, 1), 600 / max(zoom, 1)
        clip.append(base.crop((round(x), round(y), round(x + width), round(y + height))).resize((640, 480)))
    return clip


def write_clip(clip: Clip, path: Path, *, crf: int = 23, rate: Fraction = FRAMES_PER_S) -> None:
    width, height = clip[0].width // 2 * 2, clip[0].height // 2 * 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, width=width, height=height)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for image in clip:
            fitted = image if image.size == (width, height) else image.resize((width, height))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(fitted), format="rgb24")))
        container.mux(stream.encode())


def _each(edit: Callable[[Image.Image], Image.Image]) -> Callable[[Clip, Random], Clip]:
    return lambda clip, random: [edit(image) for image in clip]


def _cropped(clip: Clip, random: Random, area: float) -> Clip:
    keep = (1 - area) ** 0.5
    width, height = clip[0].width, clip[0].height
    left, top = random.uniform(0, 1 - keep) * width, random.uniform(0, 1 - keep) * height
    box = (round(left), round(top), round(left + keep * width), round(top + keep * height))
    return [image.crop(box) for image in clip]


def _subtitled(clip: Clip, _: Random) -> Clip:
    edited = []
    for number, image in enumerate(clip):
        shown = image.copy()
        draw = ImageDraw.Draw(shown)
        words = pictures.WORDS[number // 25 % len(pictures.WORDS)]
        draw.rectangle((0, image.height * 0.82, image.width, image.height), fill=(0, 0, 0))
        pictures.write_text(draw, (image.width * 0.2, image.height * 0.85), words, image.height * 0.09, (255, 255, 255))
        edited.append(shown)
    return edited


def reaction(clip: Clip, other: Clip) -> Clip:
    """Somebody else's video fills the screen; the footage plays in a corner, 45 % of the sides."""
    edited = []
    for number, image in enumerate(clip):
        shown = ImageOps.fit(other[number % len(other)], (960, 540))
        small = ImageOps.contain(image, (432, 243))
        shown.paste(small, (960 - small.width - 15, 15))
        edited.append(shown)
    return edited


SAME_TIMES: dict[str, Callable[[Clip, Random], Clip]] = {
    "reencoded": lambda clip, random: clip,
    "small": _each(lambda image: ImageOps.contain(image, (256, 256))),
    "grey": _each(lambda image: ImageOps.grayscale(image).convert("RGB")),
    "bordered": _each(lambda image: ImageOps.expand(image, (0, image.height // 6), (0, 0, 0))),
    "mirrored": _each(ImageOps.mirror),
    "cropped_20": lambda clip, random: _cropped(clip, random, 0.2),
    "cropped_40": lambda clip, random: _cropped(clip, random, 0.4),
    "logo": lambda clip, random: [pictures.EDITS["logo"](image, Random(1)) for image in clip],
    "subtitled": _subtitled,
    "vertical": lambda clip, random: [
        ImageOps.contain(pictures.EDITS["vertical"](image, Random(2)), (640, 640)) for image in clip
    ],
    "filtered": lambda clip, random: [pictures.EDITS["filtered"](image, Random(3)) for image in clip],
    "screen_recorded": lambda clip, random: [
        ImageOps.contain(pictures.EDITS["screenshot"](image, Random(4)), (960, 960)) for image in clip
    ],
    "frames_dropped": lambda clip, random: [
        clip[max(0, number - 1)] if random.random() < 0.4 else image for number, image in enumerate(clip)
    ],
}
"""Edits of every picture that leave the times as they are."""


def excerpt(clip: Clip, random: Random) -> tuple[Clip, float]:
    """A third of the clip, at least 2.5 s; and where it begins, in seconds."""
    length = min(len(clip), max(len(clip) // 3, int(2.5 * FRAMES_PER_S)))
    start = random.randint(0, len(clip) - length)
    return clip[start : start + length], float(start / FRAMES_PER_S)


def title(seconds: float = 2.0) -> Clip:
    """An intro that belongs to no source."""
    card = Image.new("RGB", (640, 480), (10, 10, 60))
    draw = ImageDraw.Draw(card)
    pictures.write_text(draw, (80, 180), "EXCLUSIVE", 80, (255, 255, 255))
    return [card] * int(seconds * FRAMES_PER_S)
