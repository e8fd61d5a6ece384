"""``verify.py`` by itself: a package of some 100 entries, alone and in a log of 1,000,000 leaves.

``python -m benchmarks.verifying [--leaves 1000000] [--turns 3]``

A real package without media, of a case with thirteen items, made by a whole ``exhibit serve``. Then the same acts at
the end of a log of so many leaves, of which the others are random: tree, proofs, seal and signatures are made anew with
a test's key (a bypass: nobody waits until a million entries are written), once as the server packs so large a log
(without its leaves) and once with all of them, as ``EXHIBIT_INLINE_LEAVES_UP_TO`` may ask. Targets: 1 s and 10 s of
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
from benchmarks.packages import all_items, label_all, make_package, receive
from benchmarks.upload import make_case
from benchmarks.verifiers import Client
from tests.exports.bags import Files, zipped
from tests.ledger.published_log import make_leaves
from tests.support.forked_log import package_in_larger_log
from tests.support.product import start_product

ITEMS = 13


def real_package(directory: Path) -> tuple[str, Files, str]:
    """Folder, files and the log's key of a package of a case, without media."""
    product = start_product(directory / "data")
    try:
        case_id, token = make_case(product)
        client = Client(product.base_url, token)
        receive(client, case_id, ITEMS, 20_000, is_noise=True)
        label_all(client, case_id)
        assert len(all_items(client, case_id)) == ITEMS
        digest, _, _ = make_package(product, client, case_id, media=False)
        key = (product.data_dir / "published" / "log.vkey").read_text().strip()
        content = (product.data_dir / "packages" / digest[:2] / digest[2:4] / digest).read_bytes()
    finally:
        product.stop()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        return folder, {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}, key


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall and processor seconds, MiB resident."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(told)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def show(what: str, command: list[str], turns: int) -> None:
    runs = [timed(command) for _ in range(turns)]
    wall_s, used_s, mib = map(statistics.median, zip(*runs, strict=True))
    print(f"{what}: {wall_s:.2f} s, CPU {used_s:.2f} s, {mib:.0f} MiB resident", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        folder, files, key = real_package(directory)
        acts = sum(path.startswith("data/ledger/proofs/") for path in files)
        package = directory / "package.zip"
        check = [sys.executable, "-I", verify.__file__, str(package), "--key"]
        show("python -I -c pass", [sys.executable, "-I", "-c", "pass"], options.turns)
        package.write_bytes(zipped(folder, files))
        show(f"{acts} entries, as the server made it", [*check, key], options.turns)
        others = make_leaves(options.leaves - acts)
        for has_leaves in (False, True):
            made, own = package_in_larger_log(files, others, has_leaves=has_leaves)
            package.write_bytes(zipped(folder, made))
            what = "with its leaves" if has_leaves else "without its leaves"
            show(f"{acts} entries in a log of {options.leaves} leaves, {what}", [*check, own.encode()], options.turns)


if __name__ == "__main__":
    main()
