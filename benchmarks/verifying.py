"""``verify.py`` by itself: a package of some 100 entries, alone and in a log of 1,000,000 leaves.

``python -m benchmarks.verifying [--leaves 1000000] [--turns 3]``

A real package without media, of a case with some items, made by its two jobs. Then the same acts at the end of a log
of so many leaves, of which the others are random: tree, proofs, seal and signatures are made anew with a test's key (a
bypass: nobody waits until a million entries are written), once as the server packs so large a log (without its leaves)
and once with all of them, as ``EXHIBIT_INLINE_LEAVES_UP_TO`` may ask. Targets: 1 s and 10 s of
processor time. A bare ``python -I -c pass`` in the same run says what starting costs; each figure is the median.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from app.exports.verifier import verify
from tests.exports.bags import Files, zipped
from tests.exports.packages import PackageHub, open_packages
from tests.factories import make_item
from tests.ledger.published_log import make_leaves
from tests.support.databases import create_database, make_run_directory, open_server, remove_run_directory
from tests.support.forked_log import package_in_larger_log

ITEMS = 14


def real_package(packages: PackageHub) -> tuple[str, Files, str]:
    """Folder, files and the log's key of a package of a case."""
    hub = packages.hub
    for _ in range(ITEMS):
        make_item(hub.sessions, hub.verifier, hub.case_id)
    content = packages.make("case", opens=None)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    return folder, files, hub.vkey.encode()


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(told)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def show(what: str, command: list[str], turns: int) -> None:
    runs = [timed(command) for _ in range(turns)]
    wall_s, used_s = map(statistics.median, zip(*runs, strict=True))
    print(f"{what}: {wall_s:.2f} s, CPU {used_s:.2f} s", flush=True)


def measure(directory: Path, packages: PackageHub, leaves: int, turns: int) -> None:
    folder, files, key = real_package(packages)
    acts = sum(path.startswith("data/ledger/proofs/") for path in files)
    package = directory / "package.zip"
    check = [sys.executable, "-I", verify.__file__, str(package), "--key"]
    show("python -I -c pass", [sys.executable, "-I", "-c", "pass"], turns)
    package.write_bytes(zipped(folder, files))
    show(f"{acts} entries, as the job made it", [*check, key], turns)
    others = make_leaves(leaves - acts)
    for has_leaves in (False, True):
        made, own = package_in_larger_log(files, others, has_leaves=has_leaves)
        package.write_bytes(zipped(folder, made))
        what = "with its leaves" if has_leaves else "without its leaves"
        show(f"{acts} entries in a log of {leaves} leaves, {what}", [*check, own.encode()], turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    run = make_run_directory()
    try:
        database = create_database(open_server(run))
        with tempfile.TemporaryDirectory() as name, open_packages(database, Path(name)) as packages:
            measure(Path(name), packages, options.leaves, options.turns)
    finally:
        remove_run_directory(run)


if __name__ == "__main__":
    main()
