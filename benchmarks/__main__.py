"""``make bench``: every claim in docs/benchmarks.md, one after the other, on this machine as it is now."""

import os
import platform
import runpy
import sys
from pathlib import Path

CLAIMS = (
    "start",
    "upload_store",
    "upload",
    "ingest",
    "ingest_pictures",
    "ingest_videos",
    "jail",
    "search",
    "similar",
    "verifiers",
    "ledger",
    "proofs",
    "verification",
    "packages",
    "verifier_page",
)


def machine() -> str:
    """What the figures were measured on: processor, cores, memory, kernel, Python, load before the first run."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{processor}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load}"
    )


if __name__ == "__main__":
    print(machine())
    chosen = sys.argv[1:] or list(CLAIMS)
    for claim in chosen:
        print(f"\n== {claim}", flush=True)
        sys.argv = [claim]
        runpy.run_module(f"benchmarks.{claim}", run_name="__main__")
