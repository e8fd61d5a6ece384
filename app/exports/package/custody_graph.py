"""The custody log as a CASE/UCO graph (JSON-LD), for programs of other laboratories. Reading copy: the seal covers it.

Made of the entries and their opened fields alone. Of each entry: an ``InvestigativeAction``, informed by the one before
it in its stream; its ``object`` is the ``ProvenanceRecord`` that the one before left (none at the stream's first act:
nothing comes before intake); its ``result`` the next record, and an ``ObservableObject`` with the entry's hash. Files
are members of the record of the act that names them first. Records hold things alone, no people (``case_prov_check``).

Names end with a UUID, are made of ids and commitments, and so are the same in every package that holds the entry.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from app.exports.custody_streams import CustodyEntry
from app.exports.dossier import Dossier
from app.exports.events import StreamSpan

PATH = "data/case/custody.jsonld"
ONTOLOGY = "https://ontology.unifiedcyberontology.org/uco/"
CONTEXT = {
    "kb": "urn:exhibit:kb:",
    "investigation": "https://ontology.caseontology.org/case/investigation/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    **{name: f"{ONTOLOGY}{name}/" for name in ("action", "core", "identity", "location", "observable", "types")},
}
_COLLECTED, _DERIVED = "evidence.collected", "evidence.derived"
_MADE_OF = {"evidence": "Custody of an evidence item", "incident": "Records of an incident", "case": "Acts of the case"}
_DESCRIBED = "Acts of this investigation as its custody log holds them; data/ledger/ has their proofs."
_OF_EVENT = ("kind", "occurred_from", "occurred_to")
Node = dict[str, Any]


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    yield PATH, _document(dossier)


def _document(dossier: Dossier) -> Iterator[bytes]:
    """One node a line."""
    yield f'{{"@context":{_json(CONTEXT)},\n"@graph":['.encode()
    before = "\n"
    for node in _nodes(dossier):
        yield f"{before}{_json(node)}".encode()
        before = ",\n"
    yield b"\n]}\n"


def _nodes(dossier: Dossier) -> Iterator[Node]:
    """In constant memory, but for people: the case, each stream's chain, then whoever acted."""
    investigation = {"@id": f"kb:investigation-{dossier.case_id}"}
    yield {**investigation, "@type": "investigation:Investigation", "core:description": _DESCRIBED}
    people: dict[str, _Person] = {}
    for span, entries in dossier.opened_streams(dossier.spans):
        told: dict[str, Any] = {}
        record = None
        for entry, opened in entries:
            value = {} if entry.body is None else json.loads(entry.body)
            yield from _act(entry, value, opened, record)
            record = _named("record", entry.commitment)
            _note_people(people, value, opened)
            _note_told(told, value, opened)
        if record is not None:
            yield {**investigation, "core:object": [record]}
        if span.kind == "incident":
            yield from _event(span, told)
        elif span.kind == "case" and "title" in told:
            yield {**investigation, "core:name": told["title"]}
    yield from (_identity(actor, people[actor]) for actor in sorted(people))


# --- one entry --------------------------------------------------------------------------------------------------------


def _act(
    entry: CustodyEntry, value: Mapping[str, Any], opened: Mapping[str, bytes], before: Node | None
) -> Iterator[Node]:
    """The action, the record that it leaves, the entry itself, and files that it names first."""
    record, line = _named("record", entry.commitment), _named("entry", entry.commitment)
    files = list(_files(entry, value, opened))
    made = [{"@id": node["@id"]} for node in files if node["@type"] == "observable:File"]
    action: Node = {
        **_named("action", entry.commitment),
        "@type": "investigation:InvestigativeAction",
        "core:name": value.get("type", "withheld"),
        "action:result": [record, line, *made],
    }
    if before is not None:
        used = [before]
        if value.get("type") == _DERIVED:
            used.append(_file(entry.stream, value["data"]["input_sha256"]))
        action |= {"action:object": used}
        action |= {"investigation:wasInformedBy": {"@id": before["@id"].replace("kb:record-", "kb:action-")}}
    observed: Node = {**line, "@type": "observable:ObservableObject"}
    if value:
        actor = value["actor"]
        time = _time(value["occurred"])
        action |= {"action:performer": {"@id": f"kb:identity-{actor['id']}"}}
        action |= {"action:startTime": time, "action:endTime": time}
        if actor["role"] is not None:
            action["core:description"] = f"Permitted by the role: {actor['role']}."
        observed["core:objectCreatedTime"] = _time(value["time"])
    yield action
    number = f"{entry.stream}/{entry.seq}"
    yield {
        **record,
        "@type": "investigation:ProvenanceRecord",
        "core:description": f"{_MADE_OF.get(entry.stream_kind, 'Acts')}, up to act {entry.seq}.",
        "core:object": [line, *made],
        "investigation:exhibitNumber": number,
    }
    yield from _with_hash(observed, entry.commitment, None if entry.body is None else len(entry.body), {})
    yield from files


def _files(entry: CustodyEntry, value: Mapping[str, Any], opened: Mapping[str, bytes]) -> Iterator[Node]:
    """An original when it is received; what was made of it when it was made. Of both the digest, never the bytes."""
    named = value.get("object", {})
    if value.get("type") not in (_COLLECTED, _DERIVED) or "sha256" not in named:
        return
    file = {**_file(entry.stream, named["sha256"]), "@type": "observable:File"}
    facet: Node = {**_facet(file, "filefacet"), "@type": "observable:FileFacet", "observable:isDirectory": False}
    if "size" in named:
        facet["observable:sizeInBytes"] = named["size"]
    if "file_name" in opened:
        facet["observable:fileName"] = _value(opened["file_name"])
    sniffed = value["data"].get("media_type_sniffed")
    more = {} if sniffed is None else {"observable:mimeType": sniffed}
    file["core:hasFacet"] = [_id(facet)]
    yield from _with_hash(file, named["sha256"], named.get("size"), more)
    yield facet


def _with_hash(node: Node, sha256: str, size: int | None, more: Mapping[str, Any]) -> Iterator[Node]:
    facet: Node = {**_facet(node, "content"), "@type": "observable:ContentDataFacet", **more}
    digest = _facet(node, "sha256")
    facet["observable:hash"] = digest
    if size is not None:
        facet["observable:sizeInBytes"] = size
    yield {**node, "core:hasFacet": [*node.get("core:hasFacet", []), _id(facet)]}
    yield facet
    hexadecimal = {"@type": "xsd:hexBinary", "@value": sha256}
    yield {**digest, "@type": "types:Hash", "types:hashMethod": "SHA256", "types:hashValue": hexadecimal}


# --- what is told over many entries -----------------------------------------------------------------------------------


class _Person:
    """Who acted: a pseudonym; with the name, where the package opens it."""

    def __init__(self, kind: str) -> None:
        self.kind, self.name = kind, ""


def _note_people(people: dict[str, _Person], value: Mapping[str, Any], opened: Mapping[str, bytes]) -> None:
    if not value:
        return
    people.setdefault(value["actor"]["id"], _Person(value["actor"]["kind"]))
    if value["type"] == "case.member_granted":
        people.setdefault(value["data"]["account"], _Person("user"))
        if "name" in opened:
            people[value["data"]["account"]].name = _value(opened["name"])


def _identity(actor: str, person: _Person) -> Node:
    told = f"A pseudonym of this case ({person.kind})." if person.kind != "system" else "The installation itself."
    named = {"core:name": person.name} if person.name else {}
    return {"@id": f"kb:identity-{actor}", "@type": "identity:Identity", "core:description": told, **named}


def _note_told(told: dict[str, Any], value: Mapping[str, Any], opened: Mapping[str, bytes]) -> None:
    """What was stated last of the case or the incident."""
    if value.get("type") in ("case.created", "case.updated", "incident.created", "incident.updated"):
        told |= {name: value["data"][name] for name in _OF_EVENT if name in value["data"]}
        told |= {name: _value(opened[name]) for name in ("title", "place") if name in opened}


def _event(span: StreamSpan, told: Mapping[str, Any]) -> Iterator[Node]:
    event: Node = {"@id": f"kb:event-{span.stream}", "@type": "core:Event"}
    if "kind" in told:
        event["core:eventType"] = told["kind"]
    if "title" in told:
        event["core:name"] = told["title"]
    for name, stated in (("core:startTime", "occurred_from"), ("core:endTime", "occurred_to")):
        if stated in told:
            event[name] = _time(told[stated])
    yield event
    place = told.get("place") or {}
    latitude, longitude = place.get("latitude_microdegrees"), place.get("longitude_microdegrees")
    if not (place.get("name") or isinstance(latitude, int)):
        return
    location: Node = {"@id": f"kb:location-{span.stream}", "@type": "location:Location"}
    if place.get("name"):
        location["core:name"] = place["name"]
    if isinstance(latitude, int) and isinstance(longitude, int):
        facet = {**_facet(location, "point"), "@type": "location:LatLongCoordinatesFacet"}
        location["core:hasFacet"] = [_id(facet)]
        yield facet | {"location:latitude": _degrees(latitude), "location:longitude": _degrees(longitude)}
    yield location
    yield {
        **_facet(location, "of"),
        "@type": "core:Relationship",
        "core:isDirectional": True,
        "core:kindOfRelationship": "Occurred_At",
        "core:source": _id(event),
        "core:target": _id(location),
    }


# --- spellings --------------------------------------------------------------------------------------------------------


def _named(kind: str, commitment: str) -> Node:
    return {"@id": f"kb:{kind}-{_uuid(commitment)}"}


def _file(stream: UUID, sha256: str) -> Node:
    """One item's file: two items with the same bytes have two, each with a history of its own."""
    return {"@id": f"kb:file-{_uuid(f'{stream} {sha256}')}"}


def _facet(node: Mapping[str, Any], part: str) -> Node:
    return {"@id": f"kb:{part}-{_uuid(node['@id'] + ' ' + part)}"}


def _id(node: Mapping[str, Any]) -> Node:
    return {"@id": node["@id"]}


def _uuid(text: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"urn:exhibit:kb:{text}")


def _time(text: str) -> Node:
    return {"@type": "xsd:dateTime", "@value": text}


def _degrees(microdegrees: int) -> Node:
    whole, rest = divmod(abs(microdegrees), 1_000_000)
    return {"@type": "xsd:decimal", "@value": f"{'-' if microdegrees < 0 else ''}{whole}.{rest:06d}"}


def _value(line: bytes) -> Any:
    return json.loads(line)["value"]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
