"""What is stored of a blob to be compared by: its hashes, and the sets of its local features. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from app.fingerprints.algorithms.algorithm import Algorithm
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.views import IDENTITY

Luma = np.ndarray[Any, np.dtype[np.uint8]]
"""Height × width, brightness."""


class Pictures(Protocol):
    """The working pictures of the frames that local features were taken from."""

    def at(self, time_ms: int) -> Luma | None:
        """At most 640 pixels a side; None where there is none of just that frame."""
        ...


@dataclass(frozen=True, slots=True)
class Print:
    """One stored hash of a blob."""

    version: str
    time_ms: int
    view: str
    value: bytes
    quality: int | None


@dataclass(frozen=True, slots=True)
class Prints:
    """All stored hashes of one blob, and the sets of local features that are compared."""

    is_video: bool
    prints: Sequence[Print] = field(default_factory=tuple)
    features: Sequence[LocalFeatures] = field(default_factory=tuple)
    size: tuple[int, int] | None = None
    """Width and height of the displayed picture in whatever unit; None where they are not known."""
    pictures: Pictures | None = None
    """To be laid upon those of another blob. Without them points alone make nothing firm."""

    @property
    def is_sequence(self) -> bool:
        """A video, or an image's file that holds further frames or pages."""
        return self.is_video or any(one.time_ms > 0 for one in self.prints)

    def first(self) -> "Prints":
        """Of an image: what is stored of its first picture."""
        return Prints(
            self.is_video,
            [one for one in self.prints if one.time_ms == 0],
            [one for one in self.features if one.time_ms == 0],
            self.size,
            self.pictures,
        )

    def of(self, algorithm: Algorithm, view: str | None = IDENTITY) -> list[Print]:
        """``view`` None: in every view."""
        return [one for one in self.prints if one.version == algorithm.version and (view is None or one.view == view)]
