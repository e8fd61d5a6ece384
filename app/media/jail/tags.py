"""What a container says in words of its own, as claims: known names only, cut to a sane length.

A movie's container and its tracks have tags by FFmpeg's names; a picture's container has comments, and PNG has texts by
keyword (PNG, third edition, 11.3.3). Which of these identify somebody, the worker decides.
"""

from collections.abc import Iterable, Mapping

from PIL import Image

from app.media.jail.exif import MAX_MOMENT_CHARACTERS, clean_text

CLAIMS_RULE = "claims/2"
"""What is read of a file as its claims, here and in ``exif``, ``xmp`` and ``iptc``: another number is another decoder,
so that files decoded before are offered again (decision 0023). 2: XMP, IPTC, telephones' own keys."""

_QUICKTIME = "com.apple.quicktime."
_MOVIE_TAGS = {
    "creation_time": "created_at",
    "creationdate": "created_at_local",
    "modification_time": "modified_at",
    "date": "date",
    "location": "location",
    "location-eng": "location",
    "location.iso6709": "location",
    "location.name": "location_name",
    "make": "make",
    "com.android.manufacturer": "make",
    "model": "model",
    "com.android.model": "model",
    "camera.lens_model": "lens_model",
    "software": "software",
    "com.android.version": "android_version",
    "encoder": "encoder",
    "title": "title",
    "displayname": "title",
    "comment": "comment",
    "description": "description",
    "artist": "artist",
    "author": "author",
    "copyright": "copyright",
    "serial_number": "serial_number",
    "camera.serial_number": "serial_number",
    "content.identifier": "content_identifier",
}
_PICTURE_TEXTS = {
    "creation time": "created_at",
    "software": "software",
    "author": "author",
    "title": "title",
    "description": "description",
    "copyright": "copyright",
    "comment": "comment",
    "source": "model",
}
_MOMENTS = frozenset({"created_at", "created_at_local", "modified_at", "date"})


def movie_tags(metadata: Mapping[str, str]) -> dict[str, object]:
    """Of a movie's container or of a track."""
    plain = ((name.lower().removeprefix(_QUICKTIME), value) for name, value in metadata.items())
    return _known(plain, _MOVIE_TAGS)


def picture_tags(image: Image.Image) -> dict[str, object]:
    """Of an image whose pixels are loaded: the comment of a JPEG or GIF, the texts of a PNG."""
    try:
        texts = [(name.lower(), value) for name, value in image.info.items() if isinstance(name, str)]
        return _known(texts, _PICTURE_TEXTS)
    except Exception:  # noqa: BLE001 - metadata that cannot be read is no failure of the picture
        return {}


def _known(stated: Iterable[tuple[str, object]], names: Mapping[str, str]) -> dict[str, object]:
    """The first of several wins."""
    found: dict[str, object] = {}
    for stated_name, value in stated:
        name = names.get(stated_name)
        if name is None or name in found:
            continue
        if text := clean_text(value, MAX_MOMENT_CHARACTERS) if name in _MOMENTS else clean_text(value):
            found[name] = text
    return found
