"""``python -m tests.media_jail.long_hostile [--seed N] [--minutes M]``: hostile files at production's limits.

First every file of ``hostile_files``, then mutations and truncations of every format by the seed, until time is up.
Prints what was found, as JSON; exits 1 when a file broke the rules, crashed its decoder, or ended the zygote. Whatever
did so is kept beside the message, to be looked at.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.media.jail.decoder import Decoder, DecoderDied, JailUnavailable
from app.media.jail.result import DecodeOutcome
from tests.media_jail import hostile_files
from tests.media_jail.conftest import decode_bytes


def files(seed: int) -> Iterator[tuple[str, bytes]]:
    for name, hostile in hostile_files.HOSTILE.items():
        yield name, hostile.make()
    chance = random.Random(seed)
    bodies = list(hostile_files.benign().items())
    number = 0
    while True:
        for name, body in bodies:
            number += 1
            changed = hostile_files.mutated(body, chance)
            if chance.random() < 0.15:
                changed = changed[: chance.randrange(len(changed))]
            yield f"{name} {number} (seed {seed})", changed


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--minutes", type=float, default=5.0)
    chosen = options.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    zygotes: set[int] = set()
    until_s = time.monotonic() + chosen.minutes * 60
    slowest = (0.0, "")
    with Decoder() as decoder:
        for name, body in files(chosen.seed):
            if time.monotonic() > until_s:
                break
            started_s = time.monotonic()
            try:
                result, _ = decode_bytes(decoder, body, place)
                said = f"{result.outcome}: {result.reason}"
                outcomes[result.outcome] += 1
            except (DecoderDied, JailUnavailable) as error:
                result, said = None, repr(error)
            slowest = max(slowest, (round(time.monotonic() - started_s, 1), f"{name}: {said}"))
            if result is None or result.outcome is DecodeOutcome.POLICY_VIOLATION or "crashed" in said:
                kept = place / f"finding-{len(findings)}"
                kept.write_bytes(body)
                findings.append(f"{name}: {said}: {kept}")
            if decoder._zygote is not None:
                zygotes.add(decoder._zygote._process.pid)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "files": sum(outcomes.values()),
        "outcomes": outcomes,
        "zygotes": len(zygotes),
        "findings": findings,
        "slowest": slowest,
        "cpu_s_of_decoders": round(usage.ru_utime + usage.ru_stime),
        "worker_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    json.dump(found, sys.stdout, indent=2, default=str)
    print()
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
