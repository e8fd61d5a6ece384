"""What is taken from decoded pixels: hashes and points of a picture, or of a video's frames as they come. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels
from app.fingerprints.algorithms.catalog import ALGORITHMS
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.algorithms.orb import features_in_views, local_features
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.algorithms.reducing import folded_tones, reduced_picture
from app.fingerprints.alignment import MINIMUM_QUALITY
from app.fingerprints.areas import areas_in, shown_in
from app.fingerprints.borders import Borders
from app.fingerprints.keyframes import ChangedFrames, MovedFarFrames
from app.fingerprints.matching import Print
from app.fingerprints.parts import features_of_parts, features_spread, parts_of
from app.fingerprints.shots import FoundShot, Shot, ShotFinder
from app.fingerprints.views import (
    IDENTITY,
    MOST_PARTS_OF_A_FRAME,
    TRIMMED,
    hashes_in_views,
    hashes_of_areas,
    hashes_of_folded,
    named,
    view_of,
)
from app.media.jail.result import VideoFrame

MOST_FEATURE_SETS = 4_000
"""Of one recording, two for each shot and one for each further frame: 72 MB at the most in the worker. What comes after
that has its hashes alone."""
MOST_PARTS_OF_SHOTS = 1_000
"""Of one recording, besides: each a set of points (18 MB) and a hash. What comes after that has no parts, but takes no
frame's points away."""
TRIMMED_FRAME = view_of(TRIMMED, IDENTITY)


@dataclass
class Hasher:
    """Hashes pictures as they come; keeps the one that the preview is made from."""

    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    prints: list[Print] = field(default_factory=list)
    shots: list[Shot] = field(default_factory=list)
    features: list[LocalFeatures] = field(default_factory=list)
    shown: Pixels | None = None
    on_shot: Callable[[int, Pixels], None] | None = None
    """Is given each shot's time and picture when the shot is over."""
    on_further: Callable[[int, Pixels], None] | None = None
    """Is given the time and picture of a shot's further frames of which points are kept, and of an image's picture."""
    _shown_quality: int = -1
    _changed: ChangedFrames = field(default_factory=ChangedFrames)
    _changed_inside: ChangedFrames = field(default_factory=ChangedFrames)
    _moved_far: MovedFarFrames = field(default_factory=MovedFarFrames)
    _borders: Borders = field(default_factory=Borders)
    _finder: ShotFinder = field(default_factory=ShotFinder)
    _passed_over: tuple[VideoFrame, Hash, Hash | None] | None = None
    """The frame after the last one that was kept, its hash, and that of what is left without borders."""
    _features_of: set[tuple[int, str]] = field(default_factory=set)
    """Of which frames, in which views, there are points; without parts."""
    _parts: int = 0
    _is_image: bool = False

    def take_picture(self, rgb: Pixels) -> None:
        """An image's only or first picture. Starts over, as the decoder does after a restart."""
        self.prints.clear()
        self.features[:] = features_in_views(rgb)
        self.shown, self._is_image = rgb, True
        if self.on_further is not None:
            self.on_further(0, rgb)
        picture = reduced_picture(rgb)
        layers = areas_in(rgb, picture)
        areas, parts = named(layers), parts_of(rgb, picture, shown_in(layers))
        self.features += features_of_parts(rgb, parts) + features_spread(rgb, self.features[0])
        for algorithm in self.algorithms:
            if algorithm.applies_to_images:
                found = hashes_in_views(algorithm, picture)
                if algorithm.version == PDQ.version:
                    others = {view: box for view, box in parts.items() if box not in areas.values()}
                    found += hashes_of_areas(rgb, {**areas, **others})
                    found += hashes_of_folded(reduced_picture(folded_tones(rgb)))
                self.prints += [Print(algorithm.version, 0, view, one.value, one.quality) for view, one in found]

    def take_frame(self, frame: VideoFrame) -> None:
        """A video's frame, or what follows an image's first picture. Starts over at time 0, as the decoder does.

        Of an image all that comes is kept: pages do not follow each other in time, and there are few.
        """
        if self._is_image:
            self._add_frame(frame, PDQ.compute(frame.rgb))
            return
        if frame.time_ms == 0:
            self.prints.clear()
            self.shots.clear()
            self.features.clear()
            self._features_of.clear()
            self._parts = 0
            self._finder, self._borders = ShotFinder(), Borders()
            self._changed_inside, self._moved_far = ChangedFrames(), MovedFarFrames()
            self.shown, self._shown_quality = None, -1
        moving = PDQ.compute(frame.rgb)
        self._take_shots(self._finder.take(frame.time_ms, frame.rgb, moving))
        inside = self._borders.inside(frame.time_ms, frame.rgb)
        trimmed = None if inside is None else PDQ.compute(inside)
        # Borders stand still and make less of what moves between them: that is watched by itself.
        has_moved = self._changed.has_moved(frame.time_ms, moving.value)
        if has_moved or (trimmed is not None and self._changed_inside.has_moved(frame.time_ms, trimmed.value)):
            self._keep(frame, moving, trimmed)
        else:
            self._passed_over = frame, moving, trimmed

    def _keep(self, frame: VideoFrame, moving: Hash, trimmed: Hash | None) -> None:
        self._passed_over = None
        self._changed.store(frame.time_ms, moving.value)
        self._show(frame.rgb, moving.quality or 0)
        self._add_frame(frame, moving)
        for time_ms, held_back in self._borders.held_back(frame.time_ms, frame.rgb):
            self._add_trimmed(time_ms, PDQ.compute(held_back))
        if trimmed is not None:
            self._changed_inside.store(frame.time_ms, trimmed.value)
            self._add_trimmed(frame.time_ms, trimmed)
        if self._moved_far.keep(self._finder.began_ms, frame.time_ms, moving.value):
            self._add_features(lambda: [local_features(frame.rgb, frame.time_ms)])
            if self.on_further is not None:
                self.on_further(frame.time_ms, frame.rgb)

    def _add_trimmed(self, time_ms: int, found: Hash) -> None:
        """A frame without the recording's borders, unless it says too little."""
        if (found.quality or 0) >= MINIMUM_QUALITY:
            self.prints.append(Print(PDQ.version, time_ms, TRIMMED_FRAME, found.value, found.quality))

    def _add_frame(self, frame: VideoFrame, moving: Hash) -> None:
        self.prints.append(Print(PDQ.version, frame.time_ms, IDENTITY, moving.value, moving.quality))
        for algorithm in self.algorithms:
            if algorithm.applies_to_frames and algorithm.version != PDQ.version:
                found = algorithm.compute(frame.rgb)
                self.prints.append(Print(algorithm.version, frame.time_ms, IDENTITY, found.value, found.quality))

    def end_video(self, end_ms: int) -> None:
        """After the last frame, which is kept, moved or not: it says until when the one before was shown. ``end_ms`` is
        where the recording ended, or decoding did."""
        if self._passed_over is not None:
            self._keep(*self._passed_over)
        self._take_shots(self._finder.end(end_ms))

    def _take_shots(self, found: Iterable[FoundShot]) -> None:
        for one in found:
            self.shots.append(one.shot)
            if self.on_shot is not None:
                self.on_shot(one.shot.shown_ms, one.shown)
            self._add_features(partial(features_in_views, one.shown, one.shot.shown_ms))
            self._add_parts(one.shown, one.shot.shown_ms)

    def _add_parts(self, rgb: Pixels, time_ms: int) -> None:
        """Of the frame that stands for a shot: an inset, a picture on a page. Not turned: whoever asks turns them."""
        room = min(MOST_PARTS_OF_A_FRAME, MOST_PARTS_OF_SHOTS - self._parts)
        if not room:
            return
        picture = reduced_picture(rgb)
        parts = dict(islice(parts_of(rgb, picture, shown_in(areas_in(rgb, picture))).items(), room))
        self._parts += len(parts)
        self.features += [each.at(time_ms) for each in features_of_parts(rgb, parts)]
        for part, box in parts.items():
            found = PDQ.compute(np.ascontiguousarray(box.of(rgb)))
            if (found.quality or 0) >= PDQ.minimum_quality:
                self.prints.append(Print(PDQ.version, time_ms, view_of(part, IDENTITY), found.value, found.quality))

    def _add_features(self, find: Callable[[], list[LocalFeatures]]) -> None:
        """A further frame may be the one that stands for the shot, too."""
        if len(self._features_of) >= MOST_FEATURE_SETS:
            return
        for one in find():
            key = (one.time_ms, one.view)
            if len(self._features_of) < MOST_FEATURE_SETS and key not in self._features_of:
                self.features.append(one)
                self._features_of.add(key)

    def _show(self, rgb: Pixels, quality: int) -> None:
        """The first frame that says something, else the best so far: many videos begin black."""
        if self._shown_quality < PDQ.minimum_quality and quality > self._shown_quality:
            self.shown, self._shown_quality = rgb, quality
