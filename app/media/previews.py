"""The safe default preview: small, grey and blurred, made anew from decoded pixels, without any metadata.

Nothing of a hostile container survives in it, and it shows no face and no wound.
"""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from PIL import __version__ as pillow_version

TOOL = "pillow"
TOOL_VERSION: str = pillow_version
MEDIA_TYPE = "image/jpeg"
PARAMETERS: dict[str, Any] = {
    "rule": "preview/1",
    "side_pixels": 320,
    "colour": "grey",
    "blur_radius_pixels": 6,
    "format": "jpeg",
    "quality": 70,
}

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def render_preview(rgb: Pixels) -> bytes:
    """A JPEG of the picture by the rule ``preview/1``."""
    image = Image.fromarray(rgb).convert("L")
    image.thumbnail((PARAMETERS["side_pixels"], PARAMETERS["side_pixels"]))
    blurred = image.filter(ImageFilter.GaussianBlur(PARAMETERS["blur_radius_pixels"]))
    written = io.BytesIO()
    blurred.save(written, "JPEG", quality=PARAMETERS["quality"])
    return written.getvalue()
