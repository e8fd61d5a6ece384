"""How long until ``exhibit serve`` is ready: the first start on an empty directory, then further ones.

``python -m benchmarks.start [--rounds 3]``

Beside it, the smallest peer that there is: a bare Python that imports FastAPI, SQLAlchemy and NumPy and ends.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.product import AS_SHIPPED, start_product

PEER = "import fastapi, sqlalchemy, numpy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        ready_s: list[float] = []
        peer_s: list[float] = []
        for _ in range(options.rounds + 1):
            product = start_product(directory / "data", **AS_SHIPPED)
            ready_s.append(product.ready_s)
            product.stop()
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", PEER], check=True)
            peer_s.append(time.perf_counter() - started)
    print(f"first start: ready after {ready_s[0]:.1f} s")
    later = ready_s[1:]
    print(f"later starts: {', '.join(f'{value:.1f}' for value in later)} s, median {statistics.median(later):.1f} s")
    print(f"bare Python with three imports: median {statistics.median(peer_s):.1f} s")


if __name__ == "__main__":
    main()
