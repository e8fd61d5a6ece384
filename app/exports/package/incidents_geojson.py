"""Where incidents were, as GeoJSON (RFC 7946), as far as the package opens their places.

Made of the entries and their opened fields alone: it says what the ledger says up to the export, and nothing newer.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.exports.custody_streams import CustodyEntry
from app.exports.dossier import Dossier
from app.exports.events import StreamSpan

PATH = "data/incidents.geojson"
_OPEN_FACTS = ("kind", "occurred_from", "occurred_to", "occurred_zone", "place_precision")
_NAMES = ("code", "title")


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    """One feature an incident; without a point its geometry is null. Left out when places stay closed."""
    incidents = [span for span in dossier.spans if span.kind == "incident"]
    if incidents and dossier.opens_field("place"):
        yield PATH, _collection(dossier, incidents)


def _collection(dossier: Dossier, incidents: Sequence[StreamSpan]) -> Iterator[bytes]:
    yield b'{"type":"FeatureCollection","features":['
    for number, (span, entries) in enumerate(dossier.opened_streams(incidents)):
        yield (b",\n" if number else b"\n") + _feature(str(span.stream), _stated(entries))
    yield b"\n]}\n"


def _stated(entries: Iterable[tuple[CustodyEntry, dict[str, bytes]]]) -> dict[str, Any]:
    """What was stated last of each fact, in the order of the entries."""
    stated: dict[str, Any] = {}
    for entry, opened in entries:
        value = {} if entry.body is None else json.loads(entry.body)
        if value.get("type") in ("incident.created", "incident.updated"):
            stated |= {name: value["data"][name] for name in _OPEN_FACTS if name in value["data"]}
            stated |= {name: json.loads(opened[name])["value"] for name in (*_NAMES, "place") if name in opened}
    return stated


def _feature(incident: str, stated: dict[str, Any]) -> bytes:
    place = stated.pop("place", {})
    properties = stated | {name: value for name, value in place.items() if not name.endswith("_microdegrees")}
    longitude, latitude = place.get("longitude_microdegrees"), place.get("latitude_microdegrees")
    point = "null"
    if isinstance(longitude, int) and isinstance(latitude, int):
        point = f'{{"type":"Point","coordinates":[{_degrees(longitude)},{_degrees(latitude)}]}}'
    told = json.dumps(properties, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f'{{"type":"Feature","id":"{incident}","geometry":{point},"properties":{told}}}'.encode()


def _degrees(microdegrees: int) -> str:
    """Six decimals, written from the integer: no rounding, one spelling."""
    whole, rest = divmod(abs(microdegrees), 1_000_000)
    return f"{'-' if microdegrees < 0 else ''}{whole}.{rest:06d}"
