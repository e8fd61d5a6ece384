"""``python -m tests.media_jail.long_hostile [--seed N] [--minutes M]``: hostile files at production's limits.

First every file of ``hostile_files`` (not with ``--mutations-only``), then mutations and truncations by the seed of
every kind of picture and recording that the tests make, until time is up. ``EXHIBIT_FUZZ_SEED`` and
``EXHIBIT_FUZZ_MINUTES`` say the same as the options. Prints what was found, as JSON; exits 1 when a file broke the
rules, crashed its decoder, had an outcome that none may have, ran past its limits, or ended the zygote. Whatever did
so is kept beside the message, to be looked at.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from app.media.jail.decoder import Decoder, DecoderDied, JailUnavailable
from app.media.jail.result import DecodeOutcome, DecodeResult
from tests import media_formats, media_samples
from tests.media_jail import heif_boxes, hostile_files, test_heif, test_pictures, test_sequences, test_xmp_and_iptc
from tests.media_jail.conftest import decode_bytes

GRACE_S = 10.0
"""Beyond the wall-clock limit: for killing a process that has two gigabytes to give back, on a busy machine."""


def bodies() -> dict[str, bytes]:
    """One file of every kind that is known here. Small ones first: of a large one most mutations hit its pixels."""
    made = dict(hostile_files.benign())
    made |= {name: make() for name, make in test_pictures.KINDS.items()}
    made |= {f"several-{name}": test_sequences.sequence(name) for name in ("GIF", "PNG", "AVIF", "TIFF", "HEIF", "MPO")}
    made |= {
        f"xmp-{name}": test_xmp_and_iptc.with_xmp(name) for name in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
    }
    made |= {f"iptc-{name}": test_xmp_and_iptc.with_iptc(name) for name in ("JPEG", "TIFF")}
    still = media_samples.encoded(test_pictures.photograph(), "HEIF", quality=90)
    made["heic-grid"] = media_samples.encoded(test_pictures.photograph(), "HEIF", quality=90, **test_heif.TILES)
    made |= {"heic-sequence": heif_boxes.sequence_of_pictures(), "heic-beside": heif_boxes.with_sequence(still)}
    return made | {name: media_formats.recording(name) for name in media_formats.RECORDINGS}


def files(seed: int, *, mutations_only: bool) -> Iterator[tuple[str, str, bytes]]:
    """Kind, name and bytes."""
    if not mutations_only:
        for name, hostile in hostile_files.HOSTILE.items():
            yield "hostile", name, hostile.make()
    chance = random.Random(seed)
    kinds = bodies()
    number = 0
    while True:
        for kind, body in kinds.items():
            number += 1
            changed = hostile_files.mutated(body, chance)
            if chance.random() < 0.15:
                changed = changed[: chance.randrange(len(changed))]
            yield kind, f"{kind} {number} (seed {seed})", changed


def fault_of(result: DecodeResult | None, said: str, took_s: float, decoder: Decoder) -> bool:
    """Whether this is none of the ends that a file may have. A policy violation of a mutation is a finding, too."""
    if result is None or result.outcome is DecodeOutcome.POLICY_VIOLATION or "crashed" in said:
        return True
    kind = "video" if result.sniffed is None else result.sniffed.kind.value
    return took_s > decoder.limits.wall_s(kind) + GRACE_S


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=int(os.environ.get("EXHIBIT_FUZZ_SEED", "1")))
    options.add_argument("--minutes", type=float, default=float(os.environ.get("EXHIBIT_FUZZ_MINUTES", "5")))
    options.add_argument("--mutations-only", action="store_true")
    chosen = options.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    outcomes: Counter[str] = Counter()
    of_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    findings: list[str] = []
    zygotes: set[int] = set()
    slowest: list[tuple[float, str]] = []
    until_s = time.monotonic() + chosen.minutes * 60
    with Decoder() as decoder:
        for kind, name, body in files(chosen.seed, mutations_only=chosen.mutations_only):
            if time.monotonic() > until_s:
                break
            started_s = time.monotonic()
            try:
                result, _ = decode_bytes(decoder, body, place)
                said = f"{result.outcome}: {result.reason}"
                outcomes[result.outcome] += 1
                of_kind[kind][result.outcome] += 1
            except (DecoderDied, JailUnavailable) as error:
                result, said = None, repr(error)
            took_s = round(time.monotonic() - started_s, 1)
            slowest = sorted([*slowest, (took_s, f"{name}: {said}")], reverse=True)[:5]
            if fault_of(result, said, took_s, decoder):
                kept = place / f"finding-{len(findings)}"
                kept.write_bytes(body)
                findings.append(f"{name}: {said}: {kept}")
            if decoder._zygote is not None:
                zygotes.add(decoder._zygote._process.pid)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "files": sum(outcomes.values()),
        "outcomes": outcomes,
        "of_kind": of_kind,
        "zygotes": len(zygotes),
        "findings": findings,
        "slowest": slowest,
        "cpu_s_of_decoders": round(usage.ru_utime + usage.ru_stime),
        "largest_decoder_rss_mib": usage.ru_maxrss // 1024,
        "worker_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    json.dump(found, sys.stdout, indent=2, default=str)
    print()
    return 1 if findings or len(zygotes) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
