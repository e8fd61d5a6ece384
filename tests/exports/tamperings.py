"""Kinds of tampering with a package, and zips that are not in their one spelling: for the tests of both verifiers."""

import base64
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from app.exports.zip_stream import Member, central_header, end_of_directory, local_header
from app.ledger.checkpoint import Checkpoint, VerifierKey, open_checkpoint, parse_vkey, sign_checkpoint
from tests.exports.bags import Bag, Files, edit, edit_line, zipped
from tests.ledger.acts import OTHER_SIGNER

CHECKPOINT, EXPORT, SEAL = "data/ledger/checkpoint", "data/export.json", "seal/entry.json"
STREAMS, PROOFS = "data/ledger/streams/", "data/ledger/proofs/"
LEAVES, DISCLOSURES = "data/ledger/leaves.txt", "data/ledger/disclosures.jsonl"


def _changed(path: str, change: Callable[[bytes], bytes]) -> Callable[[Bag, Bag, Files], str]:
    def tamper(bag: Bag, _: Bag, files: Files) -> str:
        found = bag.path(path)
        files[found] = change(files[found])
        assert files[found] != bag.files[found], "the tampering does nothing"
        return found

    return tamper


def _dropped(path: str) -> Callable[[Bag, Bag, Files], str]:
    def tamper(bag: Bag, _: Bag, files: Files) -> str:
        found = bag.path(path)
        del files[found]
        return found

    return tamper


def _added(path: str, content: bytes) -> Callable[[Bag, Bag, Files], str]:
    def tamper(_: Bag, __: Bag, files: Files) -> str:
        files[path] = content
        return path

    return tamper


def _swapped(first: str, second: str, numbers: tuple[int, int] = (0, 0)) -> Callable[[Bag, Bag, Files], str]:
    def tamper(bag: Bag, _: Bag, files: Files) -> str:
        one, other = bag.path(first, numbers[0]), bag.path(second, numbers[1])
        files[one], files[other] = files[other], files[one]
        return one

    return tamper


def _from_later(path: str) -> Callable[[Bag, Bag, Files], str]:
    """A file of another honest package in place of this one's."""

    def tamper(bag: Bag, later: Bag, files: Files) -> str:
        found = bag.path(path)
        files[found] = later.files[later.path(path)]
        return found

    return tamper


def _lines(change: Callable[[list[bytes]], object]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        lines = content.splitlines()
        change(lines)
        return b"".join(line + b"\n" for line in lines)

    return apply


def _in_line(number: int, name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda content: edit_line(content, number, lambda line: line.update({name: value}))


def _in_data(number: int, name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda content: edit_line(content, number, lambda line: line["data"].update({name: value}))


def _in_json(name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda content: edit(content, lambda whole: whole.update({name: value}))


def _whole_stream(bag: Bag, _: Bag, files: Files) -> str:
    """An item is left out altogether, from every list."""
    path = bag.path(STREAMS, 1)
    stream = path.removeprefix(STREAMS).removesuffix(".jsonl")
    for name in list(files):
        if stream in name:
            del files[name]
    files[EXPORT] = edit(files[EXPORT], lambda export: _without(export["streams"], "stream", stream))
    streams = "data/ledger/streams.json"
    files[streams] = edit(files[streams], lambda listed: _without(listed, "stream", stream))
    return streams


def _without(members: list[dict[str, object]], name: str, value: str) -> None:
    members[:] = [member for member in members if member[name] != value]


def _whole_medium(bag: Bag, _: Bag, files: Files) -> str:
    path = bag.path("data/media/")
    del files[path]
    files[EXPORT] = edit(files[EXPORT], lambda export: _without(export["media"], "path", path))
    listed = "data/ledger/media.json"
    files[listed] = edit(files[listed], lambda digests: digests.remove(path.split("/")[-1].partition(".")[0]))
    return STREAMS


def _cut_tail(bag: Bag, _: Bag, files: Files) -> str:
    """A stream loses its last act, this export's own, and every list agrees."""
    path = bag.path(STREAMS)
    stream = path.removeprefix(STREAMS).removesuffix(".jsonl")
    lines = files[path].splitlines()
    files[path] = b"".join(line + b"\n" for line in lines[:-1])
    del files[f"{PROOFS}{stream}/{len(lines):06d}.tlog-proof"]

    def shorten(export: dict[str, list[dict[str, object]]]) -> None:
        (entry,) = [each for each in export["streams"] if each["stream"] == stream]
        entry |= {"entries": len(lines) - 1, "head": hashlib.sha256(lines[-2]).hexdigest()}

    files[EXPORT] = edit(files[EXPORT], shorten)
    return path


def _resigned(bag: Bag, _: Bag, files: Files) -> str:
    """The whole tree under another key, everywhere."""
    for path, content in bag.files.items():
        if path == CHECKPOINT or path.endswith(".tlog-proof") or path == "seal/consistency":
            text = content.decode()
            head, blank, note = ("", "", text) if path == CHECKPOINT else text.partition("\n\n")
            own = open_checkpoint(note, parse_vkey(bag.files["data/trust/log.vkey"].decode().strip()))
            signed = sign_checkpoint(Checkpoint(own.origin, own.size, own.root), OTHER_SIGNER)
            files[path] = f"{head}{blank}{signed}".encode()
    origin = bag.key.name
    files["data/trust/log.vkey"] = VerifierKey(origin, OTHER_SIGNER.public_key).encode().encode() + b"\n"
    return CHECKPOINT


def _spare_bits(content: bytes) -> bytes:
    """The last sextet of a signature's base64 has bits that say nothing."""
    body = content.rstrip(b"\n")
    at = len(body) - body[::-1].find(body.rstrip(b"=")[-1:][::-1]) - 1
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    letter = alphabet[alphabet.index(body[at]) ^ 1]
    changed = body[:at] + bytes([letter]) + body[at + 1 :] + b"\n"
    token = changed.rsplit(b" ", 1)[-1].strip()
    assert len(base64.b64decode(token)), "still base64"
    return changed


def _flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


TAMPERINGS: dict[str, Callable[[Bag, Bag, Files], str]] = {
    # What only the seal covers.
    "readme": _changed("data/README.txt", lambda content: content + b"All of it is true.\n"),
    "table_cell": _changed("data/custody.csv", lambda content: content.replace(b"verifier", b"custodian", 1)),
    "table_row_dropped": _changed("data/custody.csv", lambda content: content.rsplit(b"\r\n", 2)[0] + b"\r\n"),
    "graph_actor": _changed("data/case/custody.jsonld", lambda content: content.replace(b"verifier", b"custodian", 1)),
    "report_words": _changed("data/report/report.html", lambda content: content.replace(b"custody", b"control", 1)),
    "report_printed": _changed("data/report/report.pdf", lambda content: content + b"\n"),
    "map_moved": _changed("data/incidents.geojson", lambda content: content.replace(b"null", b"[]", 1)),
    "verifier": _changed("data/verify/verify.py", lambda content: content + b"\nsys.exit(0)\n"),
    "policy": _changed("data/trust/policy", lambda content: content + b"# and nobody else\n"),
    # Files.
    "unknown_file": _added("data/ledger/notes.txt", b"x"),
    "unknown_report": _added("data/report/summary.html", b"x"),
    "unknown_graph": _added("data/case/custody.ttl", b"x"),
    "unknown_tag_file": _added("notes.txt", b"x"),
    "fetch_list": _added("fetch.txt", b"https://example.org/ 1 data/x\n"),
    "readme_dropped": _dropped("data/README.txt"),
    "export_dropped": _dropped(EXPORT),
    "checkpoint_dropped": _dropped(CHECKPOINT),
    "proof_dropped": _dropped(PROOFS),
    "stream_dropped": _dropped(STREAMS),
    "leaves_dropped": _dropped(LEAVES),
    "disclosures_dropped": _dropped(DISCLOSURES),
    "media_dropped": _dropped("data/media/"),
    "seal_dropped": _dropped(SEAL),
    "seal_proof_dropped": _dropped("seal/proof"),
    "consistency_dropped": _dropped("seal/consistency"),
    "declaration": _changed("bagit.txt", lambda content: content.replace(b"1.0", b"0.97")),
    "bag_info_id": _changed("bag-info.txt", lambda content: content.replace(b"uuid:", b"uuid:0", 1)),
    "bag_info_date": _changed("bag-info.txt", lambda content: content.replace(b"Date: 2", b"Date: 1", 1)),
    "bag_info_line": _changed("bag-info.txt", lambda content: content + b"Contact-Name: Nobody\n"),
    # Acts.
    "act_type": _changed(STREAMS, _in_line(1, "type", "case.closed")),
    "act_time": _changed(STREAMS, _in_line(0, "time", "2020-01-01T00:00:00.000Z")),
    "act_occurred": _changed(STREAMS, _in_line(0, "occurred", "2020-01-01T00:00:00.000Z")),
    "act_actor": _changed(
        STREAMS, lambda content: edit_line(content, 0, lambda line: line["actor"].update(role="researcher"))
    ),
    "act_data": _changed(STREAMS, _in_data(0, "x", 1)),
    "act_label": _changed(STREAMS, _in_line(1, "label", "0" * 64)),
    "act_next": _changed(STREAMS, _in_line(0, "next", "0" * 64)),
    "act_prev": _changed(STREAMS, _in_line(1, "prev", "0" * 64)),
    "act_seq": _changed(STREAMS, _in_line(1, "seq", 1)),
    "act_stream": _changed(STREAMS, _in_line(0, "stream", "00000000-0000-4000-8000-000000000000")),
    "act_log": _changed(STREAMS, _in_line(0, "log", "example.org/other")),
    "act_unknown_member": _changed(STREAMS, _in_line(0, "more", 1)),
    "act_spaced": _changed(STREAMS, lambda content: content.replace(b'":', b'": ', 1)),
    "act_member_twice": _changed(STREAMS, lambda content: content.replace(b'{"actor"', b'{"actor":1,"actor"', 1)),
    "act_withheld": _changed(
        STREAMS,
        _lines(
            lambda lines: lines.__setitem__(
                0,
                edit(
                    lines[0],
                    lambda value: (
                        [value.pop(name) for name in list(value) if name not in ("seq", "label", "next")],
                        value.update(withheld="erased", commitment="0" * 64),
                    ),
                ),
            )
        ),
    ),
    "acts_swapped": _changed(STREAMS, _lines(lambda lines: lines.insert(0, lines.pop(1)))),
    "act_twice": _changed(STREAMS, _lines(lambda lines: lines.insert(1, lines[0]))),
    "act_dropped": _changed(STREAMS, _lines(lambda lines: lines.pop(1))),
    "act_appended": _changed(STREAMS, _lines(lambda lines: lines.append(lines[-1]))),
    "first_act_dropped": _changed(STREAMS, _lines(lambda lines: lines.pop(0))),
    "no_last_newline": _changed(STREAMS, lambda content: content[:-1]),
    "empty_stream": _changed(STREAMS, lambda _: b""),
    "garbage_stream": _changed(STREAMS, lambda _: b"[" * 50_000 + b"\n"),
    "streams_swapped": _swapped(STREAMS, STREAMS, (0, 1)),
    "tail_cut": _cut_tail,
    # Proofs, leaves, checkpoint.
    "proof_index": _changed(PROOFS, lambda content: content.replace(b"index ", b"index 1", 1)),
    "proof_hash": _changed(
        PROOFS,
        lambda content: content.replace(content.split(b"\n")[3], base64.b64encode(b"0" * 32), 1),
    ),
    "proof_hash_dropped": _changed(PROOFS, lambda content: content.replace(content.split(b"\n")[3] + b"\n", b"", 1)),
    "proof_note": _changed(PROOFS, lambda content: content.replace(b"\n\n", b"\n\nx", 1)),
    "proof_leaf": _changed(
        PROOFS, lambda content: content.replace(content.split(b"\n")[1], b"extra " + base64.b64encode(b"x"), 1)
    ),
    "proofs_swapped": _swapped(PROOFS, PROOFS, (0, 1)),
    "proof_added": _added(f"{PROOFS}00000000-0000-4000-8000-000000000000/000001.tlog-proof", b"x"),
    "leaf_label": _changed(LEAVES, lambda content: content[:16] + b"0" * 64 + content[80:]),
    "leaf_dropped": _changed(LEAVES, _lines(lambda lines: lines.pop())),
    "leaf_twice": _changed(LEAVES, _lines(lambda lines: lines.append(lines[0]))),
    "leaves_swapped": _changed(LEAVES, _lines(lambda lines: lines.insert(0, lines.pop(1)))),
    "checkpoint_size": _changed(CHECKPOINT, _lines(lambda lines: lines.__setitem__(1, b"9" + lines[1]))),
    "checkpoint_root": _changed(CHECKPOINT, _lines(lambda lines: lines.__setitem__(2, base64.b64encode(b"0" * 32)))),
    "checkpoint_origin": _changed(CHECKPOINT, _lines(lambda lines: lines.__setitem__(0, b"example.org/other"))),
    "checkpoint_signature_twice": _changed(CHECKPOINT, _lines(lambda lines: lines.append(lines[-1]))),
    "checkpoint_spare_bits": _changed(CHECKPOINT, _spare_bits),
    "checkpoint_of_later": _from_later(CHECKPOINT),
    "all_signed_by_another_key": _resigned,
    "trust_key": _changed("data/trust/log.vkey", lambda content: content.replace(b"+A", b"+B", 1)),
    # What the package says that it holds.
    "export_scope": _changed(EXPORT, _in_json("scope", "selection")),
    "export_id": _changed(EXPORT, _in_json("export_id", "00000000-0000-4000-8000-000000000000")),
    "export_case": _changed(EXPORT, _in_json("case", "00000000-0000-4000-8000-000000000000")),
    "export_seal_stream": _changed(EXPORT, _in_json("seal_stream", "00000000-0000-4000-8000-000000000000")),
    "export_tree_size": _changed(EXPORT, _in_json("tree_size", 5)),
    "export_member": _changed(EXPORT, _in_json("more", 1)),
    "export_newline": _changed(EXPORT, lambda content: content + b"\n"),
    "export_kind": _changed(EXPORT, lambda content: content.replace(b'"kind":"evidence"', b'"kind":"incident"', 1)),
    "export_media_size": _changed(EXPORT, lambda content: content.replace(b'"size":1000', b'"size":1001', 1)),
    "export_of_later": _from_later(EXPORT),
    "stream_left_out": _whole_stream,
    "medium_left_out": _whole_medium,
    "streams_list": _changed("data/ledger/streams.json", lambda content: content.replace(b'es":', b'es":1', 1)),
    "media_list": _changed("data/ledger/media.json", lambda content: content.replace(b'["', b'["0', 1)),
    # Media and disclosures.
    "medium_bytes": _changed("data/media/", _flip),
    "medium_longer": _changed("data/media/", lambda content: content + b"\n"),
    "media_swapped": _swapped("data/media/", "data/media/", (0, 1)),
    "medium_added": _added(f"data/media/{'0' * 64}.jpg", b"x"),
    "disclosure_value": _changed(DISCLOSURES, _in_line(0, "value", "somebody else")),
    "disclosure_name": _changed(DISCLOSURES, _in_line(0, "name", "notes")),
    "disclosure_dropped": _changed(DISCLOSURES, _lines(lambda lines: lines.pop(0))),
    "disclosure_twice": _changed(DISCLOSURES, _lines(lambda lines: lines.append(lines[0]))),
    "disclosures_swapped": _changed(DISCLOSURES, _lines(lambda lines: lines.insert(0, lines.pop(1)))),
    "verdict_added": _added("data/verdicts/00000000-0000-4000-8000-000000000000.dsse.json", b"{}"),
    # The seal.
    "seal_manifest": _changed(SEAL, lambda content: content.replace(b'sha256":"', b'sha256":"0', 1)),
    "seal_type": _changed(SEAL, lambda content: edit(content, lambda e: e.update(type="export.created"))),
    "seal_time": _changed(SEAL, lambda content: edit(content, lambda e: e.update(time="2020-01-01T00:00:00.000Z"))),
    "seal_newline": _changed(SEAL, lambda content: content + b"\n"),
    "seal_of_later": _from_later(SEAL),
    "seal_proof_of_later": _from_later("seal/proof"),
    "consistency_of_later": _from_later("seal/consistency"),
    "consistency_old": _changed("seal/consistency", lambda content: content.replace(b"old ", b"old 1", 1)),
    "stamp_added": _added("data/anchors/5/checkpoint", b"x"),
    "older_tree_added": _added("data/ledger/checkpoints/5", b"x"),
}  # fmt: skip


# --- the zip ----------------------------------------------------------------------------------------------------------


def _by_zipfile(bag: Bag, change: Callable[[zipfile.ZipInfo], object] = lambda info: None, **more: bytes) -> bytes:
    """By another program, with headers that are right and not canonical."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in {**bag.files, **more}.items():
            info = zipfile.ZipInfo(f"{bag.folder}/{path}")
            change(info)
            archive.writestr(info, content)
    return written.getvalue()


def _raw(members: list[tuple[bytes, bytes, bytes]]) -> bytes:
    """Local header, content and central line of each, with an end record that fits."""
    body = b"".join(local + content for local, content, _ in members)
    directory = b"".join(central for _, _, central in members)
    return body + directory + end_of_directory(len(members), len(directory), len(body))


def _with_path(bag: Bag, path: str) -> bytes:
    """The first file under another path, with headers that fit it."""
    content, at, members = bag.zipped(bag.files), 0, []
    for number, (name, data) in enumerate(sorted(bag.files.items())):
        full = path if number == 0 else f"{bag.folder}/{name}"
        member = Member(full, len(data), zlib.crc32(data))
        members.append((local_header(member), data, central_header(member, at)))
        at += len(local_header(member)) + len(data)
    assert content
    return _raw(members)


def _compress(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_DEFLATED


def _link(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, 0o120777 << 16


def patched(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


def _directory_at(content: bytes) -> int:
    return int(struct.unpack("<I", content[-6:-2])[0])


def _bombed(bag: Bag) -> bytes:
    """Two lines of the directory that show one file's bytes: what makes a small zip unpack to a large one."""
    content = bag.zipped(bag.files)
    at = _directory_at(content)
    first = content[at : content.index(b"PK\x01\x02", at + 4)]
    count, size, start = struct.unpack("<HII", content[-12:-2])
    return content[:at] + first + content[at:-22] + end_of_directory(count + 1, size + len(first), start)


def _raw_twice(bag: Bag) -> bytes:
    files = sorted(bag.files.items())
    members, at = [], 0
    for name, data in [files[0], *files]:
        member = Member(f"{bag.folder}/{name}", len(data), zlib.crc32(data))
        members.append((local_header(member), data, central_header(member, at)))
        at += len(local_header(member)) + len(data)
    return _raw(members)


def _needless_zip64(bag: Bag) -> bytes:
    content = bag.zipped(bag.files)
    count, size, at = struct.unpack("<HII", content[-12:-2])
    large = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x032D, 45, 0, 0, count, count, size, at)
    return content[:-22] + large + struct.pack("<IIQI", 0x07064B50, 0, at + size, 1) + content[-22:]


ZIPS: dict[str, Callable[[Bag], bytes]] = {
    "bytes_after": lambda bag: bag.zipped(bag.files) + b"\0",
    "bytes_before": lambda bag: b"\0" + bag.zipped(bag.files),
    "comment": lambda bag: patched(bag.zipped(bag.files), len(bag.zipped(bag.files)) - 2, b"\1\0") + b"x",
    "compressed": lambda bag: _by_zipfile(bag, _compress),
    "link": lambda bag: _by_zipfile(bag, _link),
    "other_dates": _by_zipfile,
    "twice": _raw_twice,
    "overlapping": _bombed,
    "parent_folder": lambda bag: _with_path(bag, f"{bag.folder}/../bag-info.txt"),
    "absolute": lambda bag: _with_path(bag, "/etc/bag-info.txt"),
    "drive": lambda bag: _with_path(bag, "C:/bag-info.txt"),
    "backslash": lambda bag: _with_path(bag, f"{bag.folder}\\bag-info.txt"),
    "hidden_file": lambda bag: _with_path(bag, f"{bag.folder}/.bag-info.txt"),
    "other_folder": lambda bag: _with_path(bag, "a-folder/bag-info.txt"),
    "folder_entry": lambda bag: _with_path(bag, f"{bag.folder}/"),
    "folder_renamed": lambda bag: zipped(f"{bag.folder}0", bag.files),
    "flag_encrypted": lambda bag: patched(bag.zipped(bag.files), 6, b"\1"),
    "local_crc": lambda bag: patched(bag.zipped(bag.files), 14, b"\0\0\0\0"),
    "count": lambda bag: patched(bag.zipped(bag.files), len(bag.zipped(bag.files)) - 14, b"\1\0\1\0"),
    "not_a_zip": lambda bag: b"PK\x03\x04" + b"\0" * 100,
    "nothing": lambda bag: b"PK\x05\x06" + b"\0" * 18,
    "needless_zip64": _needless_zip64,
}  # fmt: skip
