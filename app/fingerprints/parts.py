"""The points of a picture's parts, where there is a picture in the picture. Pure.

A picture's points are shared by all that it shows: of a collage each cell has a quarter of them, found in a quarter of
the pixels. So insets and cells are looked at by themselves, as large as the decoder gave them.
"""

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced
from app.fingerprints.algorithms.local_features import SIDE_PIXELS, LocalFeatures
from app.fingerprints.algorithms.orb import features_of
from app.fingerprints.panels import panels_in
from app.fingerprints.views import Part


def features_of_parts(rgb: Pixels, picture: Reduced) -> list[LocalFeatures]:
    """At most four sets, each under the view that says where the part lies; ``picture`` is the same, reduced."""
    by = min(1.0, SIDE_PIXELS / max(rgb.shape[:2]))
    found = []
    for box in panels_in(rgb, picture):
        left, top, width, height = (round(edge * by) for edge in (box.left, box.top, box.width, box.height))
        part = Part(left, top, width, height, side=min(SIDE_PIXELS, max(box.width, box.height)))
        found.append(features_of(np.ascontiguousarray(box.of(rgb)), part.view))
    return [one for one in found if one.points]
