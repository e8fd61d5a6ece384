"""A package beyond what a plain zip can say: a member above 4 GiB, and more than 65,535 members (ZIP64).

``python -m benchmarks.large_package [--gib 4.1] [--entries 66000]``

One item with so large a file and so long a stream, in a database of the tests; its two jobs are run as the worker runs
them (a bypass: entries are appended 500 a transaction, not by as many requests). Then Python's zipfile, ``unzip``,
``verify.py``, ``sha256sum`` and bagit-python (of requirements-interop.lock) read it; and it is thrown away. Needs four
times the file's size on the disk.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from uuid import UUID

from app.blobs.store import ReadBack, ReadBackOutcome
from app.exports.verifier import verify
from app.kernel.primitives import utc_now
from app.media.acquisition import Acquisition
from app.media.service import ReceivedFile, receive_evidence, record_read_back
from tests.exports.packages import PackageHub, open_packages
from tests.factories import NO_LABELS, commit_in, make_compared
from tests.ledger.acts import append, make_view
from tests.support.databases import create_database, make_run_directory, open_server, remove_run_directory

MIB = 1024 * 1024
A_TRANSACTION = 500
BAGIT = (
    "import bagit, pathlib, sys; bagit.Bag(str(next(pathlib.Path(sys.argv[1]).iterdir()))).validate(); print('valid')"
)


def large_item(packages: PackageHub, size_mib: int) -> UUID:
    chunk = bytes(range(256)) * (MIB // 256)
    with packages.stores.blobs.begin() as writer:
        for number in range(size_mib):
            writer.write(number.to_bytes(8, "big") + chunk[8:])
        stored = writer.commit()
    hub = packages.hub
    acquisition = Acquisition(collector="Olena", method="download", acquired_at=utc_now(), source="a channel")
    file = ReceivedFile(stored, chunk[:4], "large.mp4", "video/mp4")
    item = commit_in(
        hub.sessions,
        lambda uow: receive_evidence(
            uow, hub.verifier, hub.case_id, file=file, acquisition=acquisition, labels=NO_LABELS
        ),
    )
    read_back = ReadBack(ReadBackOutcome.MATCH, stored.sha256, stored.size_bytes, None)
    commit_in(hub.sessions, lambda uow: record_read_back(uow, item.id, read_back))
    make_compared(hub.sessions, item.id, stored.sha256)
    return item.id


def say(what: str, started: float) -> None:
    print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)


def _has_zip64_end(path: Path) -> bool:
    """Record, locator and end record are 56, 20 and 22 bytes (APPNOTE 4.3.14 to 4.3.16)."""
    with open(path, "rb") as file:
        file.seek(-98, 2)
        end = file.read()
    return end.startswith(b"PK\x06\x06") and end[56:60] == b"PK\x06\x07"


def run(packages: PackageHub, size_mib: int, entries: int) -> None:
    started = time.perf_counter()
    item = large_item(packages, size_mib)
    for _ in range(0, entries, A_TRANSACTION):
        append(packages.hub.sessions, [make_view(item) for _ in range(A_TRANSACTION)])
    say(f"an item of {size_mib} MiB and {entries} entries", started)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    export_id = packages.ask("evidence", item, media=True, opens=frozenset())
    for name in ("build_export", "finish_export"):
        packages.run(name, export_id)
        say(name, started)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s, after = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"CPU of all until here {cpu_s:.0f} s; peak RSS {before:.0f} MiB before the jobs, {after:.0f} after")
    digest = packages.export(export_id).package_sha256
    assert digest is not None
    path = packages.stores.settings.data / "packages" / digest[:2] / digest[2:4] / digest
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        print(f"{path.stat().st_size} bytes, {len(archive.namelist())} members, the largest {largest.file_size}")
        print(f"directory at byte {archive.start_dir}, which the ZIP64 end record says: {_has_zip64_end(path)}")
        assert archive.testzip() is None
    say("zipfile", started)
    bag = packages.stores.settings.data / "unpacked"
    verifying = [sys.executable, "-I", verify.__file__, str(path), "--key", packages.hub.vkey.encode()]
    for command in (
        ["unzip", "-tqq", str(path)],
        [*verifying, "--leaves-optional"],
        ["unzip", "-qq", str(path), "-d", str(bag)],
        ["sh", "-c", f"cd {bag}/* && sha256sum --quiet -c manifest-sha256.txt tagmanifest-sha256.txt"],
        [sys.executable, "-c", BAGIT, str(bag)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"{' '.join(command)[:60]}: status {done.returncode}", *done.stdout.splitlines()[-1:])
        say("so far", started)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4.1)
    parser.add_argument("--entries", type=int, default=66_000)
    options = parser.parse_args()
    directory = make_run_directory()
    try:
        database = create_database(open_server(directory))
        with tempfile.TemporaryDirectory() as data, open_packages(database, Path(data)) as packages:
            run(packages, int(options.gib * 1024), options.entries)
    finally:
        remove_run_directory(directory)


if __name__ == "__main__":
    main()
