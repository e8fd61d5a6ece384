"""``verify.html`` in Chromium on a large package: MB/s, processor time, and the memory of its processes.

``python -m benchmarks.verifier_page [--gib 1.0]``

A whole honest package, made by the product's own jobs, of one original of that size and two small ones: beyond 4 GiB
its headers are ZIP64. ``verify.py`` is timed on the same file in a process of its own. Takes that much memory, and
twice as much of the temporary directory.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from app.exports.verifier import verify
from tests.exports.packages import CONTENTS, open_packages
from tests.support.chromium import chromium_processes, open_chromium, open_page
from tests.support.databases import create_database, make_run_directory, open_server, remove_run_directory

MB = 1_000_000


class Watch(threading.Thread):
    """Samples the browser's processes: the largest resident memory of one, and all their processor time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done, self.largest_mib, self.sum_mib = threading.Event(), 0.0, 0.0

    def run(self) -> None:
        while not self.done.wait(0.2):
            resident = []
            for pid in chromium_processes():
                try:
                    pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
                except OSError:
                    continue
                resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            self.largest_mib = max([self.largest_mib, *resident])
            self.sum_mib = max(self.sum_mib, sum(resident))


def processor_s() -> float:
    spent = 0.0
    for pid in chromium_processes():
        try:
            fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def in_browser(package: Path, key: str) -> None:
    size_mb, watch = package.stat().st_size / MB, Watch()
    with open_chromium() as browser, open_page(browser) as ready:
        ready.page.set_default_timeout(0)
        ready.use_key(key)
        ready.choose(package)
        watch.start()
        before_s, started = processor_s(), time.perf_counter()
        ready.page.click("#check")
        ready.page.locator("#check:enabled").wait_for(timeout=3_600_000)
        took_s, used_s = time.perf_counter() - started, processor_s() - before_s
        watch.done.set()
        print(ready.page.inner_text("#status"), ready.page.inner_text("#verdict h2"))
        assert ready.shown()["ok"], ready.shown()["findings"]
    print(f"verify.html: {size_mb:.0f} MB in {took_s:.1f} s: {size_mb / took_s:.0f} MB/s")
    print(
        f"  {used_s:.1f} s of processor time: {size_mb / used_s:.0f} MB for each, of which it can use several at once"
    )
    print(f"  resident memory at most: one process {watch.largest_mib:.0f} MiB, all of them {watch.sum_mib:.0f} MiB")


def by_python(package: Path, key: str) -> None:
    size_mb, started = package.stat().st_size / MB, time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-I", verify.__file__, str(package), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    took_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"verify.py: {took_s:.1f} s: {size_mb / took_s:.0f} MB/s; {used_s:.1f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=1.0)
    options = parser.parse_args()
    directory = make_run_directory()
    try:
        database = create_database(open_server(directory))
        large = bytes(int(options.gib * 2**30))
        with tempfile.TemporaryDirectory() as data, open_packages(database, Path(data), (large, *CONTENTS[1:])) as made:
            export_id = made.ask("case", media=True, opens=None)
            for job in ("build_export", "finish_export"):
                made.run(job, export_id)
            digest = made.export(export_id).package_sha256
            assert digest is not None
            package = Path(data, "packages", digest[:2], digest[2:4], digest)
            key = made.hub.vkey.encode()
            by_python(package, key)
            in_browser(package, key)
    finally:
        remove_run_directory(directory)


if __name__ == "__main__":
    main()
