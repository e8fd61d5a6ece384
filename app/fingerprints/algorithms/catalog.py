"""Every algorithm there is, in one place. Add one here, and the contract test covers it.

When an algorithm's version changes, the one before moves to ``former``: it is computed no more, and what is stored by
it is compared as long as a file has nothing newer. ``exhibit fingerprints recompute`` gives every file what it lacks.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels, reduced
from app.fingerprints.algorithms.image_hashes import COLORHASH, DHASH, PHASH, WHASH
from app.fingerprints.algorithms.local_features import VERSION as LOCAL_FEATURES_VERSION
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.shots import SHOTS_RULE
from app.fingerprints.views import VIEWS_RULE
from app.media.jail.clock import SAMPLES_RULE
from app.media.jail.sequences import SEQUENCE_RULE

ALGORITHMS: tuple[Algorithm, ...] = (PDQ, PHASH, DHASH, WHASH, COLORHASH)


@dataclass(frozen=True)
class Catalog:
    """The rules by which files are fingerprinted and compared. What uses them is given a catalog."""

    current: tuple[Algorithm, ...]
    former: tuple[Algorithm, ...] = ()
    """The newest first."""
    local_features: str = LOCAL_FEATURES_VERSION
    sequences: str = SEQUENCE_RULE
    """By which the further pictures of an image's file are taken. It has no rows of its own: see ``renews``."""
    samples: str = SAMPLES_RULE
    """By which the frames of a video are taken. It has no rows of its own either."""
    views: str = VIEWS_RULE
    """Under which views hashes and points are taken. It has no rows of its own either."""

    def rules_for(self, kind: str) -> tuple[str, ...]:
        """The versions of what is taken from a blob of this kind, ``image`` or ``video``."""
        if kind == "image":
            images = [algorithm.version for algorithm in self.current if algorithm.applies_to_images]
            return (*images, self.local_features, self.sequences, self.views)
        frames = [algorithm.version for algorithm in self.current if algorithm.applies_to_frames]
        return (*frames, self.local_features, SHOTS_RULE, self.samples, self.views)

    def renews(self, missing: Collection[str], kind: str) -> tuple[str, ...]:
        """What is to be taken from a blob that lacks these rules: where the pictures or frames are others, all; where
        the views are, what has views."""
        if self.sequences in missing or self.samples in missing:
            return self.rules_for(kind)
        if self.views not in missing:
            return tuple(missing)
        with_views = {self.local_features, *(one.version for one in self.current if one.name == PDQ.name)}
        return tuple(rule for rule in self.rules_for(kind) if rule in missing or rule in with_views)

    def matching(self) -> dict[str, list[Algorithm]]:
        """What proposes matches: name → its versions, the newest first."""
        found: dict[str, list[Algorithm]] = {a.name: [a] for a in self.current if a.finds_matches}
        for algorithm in self.former:
            if algorithm.name in found:
                found[algorithm.name].append(algorithm)
        return found


CATALOG = Catalog(ALGORITHMS)


def compute_hashes(rgb: Pixels, algorithms: Iterable[Algorithm] = ALGORITHMS) -> list[tuple[Algorithm, Hash]]:
    """The hashes of one picture, which is reduced only once."""
    picture = reduced(rgb)
    return [(algorithm, algorithm.compute(picture)) for algorithm in algorithms]
