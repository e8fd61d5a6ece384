"""``make bench-matching``: does the product find the same footage again? Recall, wrong pairs and precision per edit.

``python -m benchmarks.matching [--directory .corpus] [--split tune|test] [--only photograph,video,still] [--edits a,b]
[--photographs N] [--videos N] [--clients 2] [--peers PYTHON] [--without-product] [--out DIR] [--keep DIR --minutes M]``

The corpus (``make corpus``) is asked of a whole ``exhibit serve`` with its own PostgreSQL, through the HTTP API: the
references are uploaded as evidence, each query is asked by ``POST /v1/similar``. Beside it, on the same files and in
the same run, what others find (``matching_peers``, by the Python of an environment of their own). Wrong pairs are
counted over all pairs. Thresholds are tuned on ``tune``, claims are made of ``test``. Table on standard output;
``results.json`` (with the files that were missed or answered wrongly), ``answers.json``, ``results.md`` and a plot of
each section in ``--out``. It takes hours: with ``--keep`` and ``--minutes`` in steps, each of which goes on where the
one before ended, and scores what was asked so far.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.__main__ import machine
from benchmarks.matching_kept import Kept
from benchmarks.matching_plot import recall_svg
from benchmarks.matching_product import Asked
from benchmarks.matching_scores import Answered, Scores, score
from tests.support.product import start_product

PEERS_AT_ONCE = 120
"""Queries; the references are read anew for each part."""
SECTIONS = ("photograph", "video", "still")
OURS = "Exhibit"

Row = dict[str, Any]


def chosen(manifest: Mapping[str, Any], section: str, options: argparse.Namespace) -> tuple[list[Row], list[Row]]:
    """References and queries of a section. Of fewer sources, what needs a source that is left out is left out."""
    kind = "photograph" if section == "photograph" else "video"
    references = [row for row in manifest["references"] if row["kind"] == kind and is_of(row, options)]
    queries = [row for row in manifest["queries"] if row["kind"] == section and is_of(row, options)]
    most = options.photographs if kind == "photograph" else options.videos
    if most is not None:
        sources = sorted({row["of"] for row in queries})[:most]
        queries = [row for row in queries if row["of"] in sources]
    if options.edits:
        queries = [row for row in queries if row["edit"] in options.edits.split(",")]
    return references, queries


def is_of(row: Row, options: argparse.Namespace) -> bool:
    return options.split is None or row["split"] == options.split


def ask_product(
    directory: Path, parts: Mapping[str, tuple[list[Row], list[Row]]], clients: int, kept: Kept, until_s: float
) -> tuple[dict[str, list[Answered]], list[str], list[float]]:
    """One installation holds the references of all sections, so that a photograph can be mistaken for a video."""
    references = list({row["file"]: row for found, _ in parts.values() for row in found}.values())
    queries = [row for _, found in parts.values() for row in found]
    product = start_product(kept.data, EXHIBIT_API_PROCESSES="2")
    try:
        asked = Asked(product, directory, references, clients, kept, until_s)
        answers = asked.answers(queries)
    finally:
        product.stop()
    return answers, asked.failed, asked.answer_s


def ask_peers(
    python: str, section: str, directory: Path, references: list[Row], queries: list[Row]
) -> dict[str, dict[str, list[Answered]]]:
    with tempfile.TemporaryDirectory() as name:
        question, answer = Path(name) / "question.json", Path(name) / "answer.json"
        asked = {"section": section, "directory": str(directory), "references": references, "queries": queries}
        question.write_text(json.dumps(asked), encoding="utf-8")
        run = [python, "-W", "ignore", "-m", "benchmarks.matching_peers", str(question), str(answer)]
        subprocess.run(run, check=True)
        found = json.loads(answer.read_text(encoding="utf-8"))
    for peer, told in found.items():
        print(f"  {peer}: {told['costs']['ms_a_file']:.0f} ms a file, {told['costs']['us_a_pair']:.0f} µs a pair")
    return {
        peer: {file: [Answered(*one) for one in scored] for file, scored in told["answers"].items()}
        for peer, told in found.items()
    }


def ask_peers_in_parts(
    options: argparse.Namespace, kept: Kept, until_s: float, section: str, references: list[Row], queries: list[Row]
) -> dict[str, dict[str, list[Answered]]]:
    """Of the queries that there was time for, the answers of each peer; no part is asked twice."""
    found: dict[str, dict[str, list[Answered]]] = {}
    for start in range(0, len(queries), PEERS_AT_ONCE):
        part = queries[start : start + PEERS_AT_ONCE]
        question = {"section": section, "references": references, "queries": part}
        if time.monotonic() >= until_s:
            break
        told = kept.peers(question, partial(ask_peers, options.peers, section, options.directory, references, part))
        for peer, answers in told.items():
            found.setdefault(peer, {}).update(answers)
    return found


def table(section: str, found: Mapping[str, Scores]) -> str:
    """Per edit the recall of each in percent, then what they answer wrongly."""
    names = list(found)
    edits = list(dict.fromkeys(edit for scores in found.values() for edit in scores.edits))
    lines = [f"## {section}", "", "| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]

    def add(title: str, cells: Sequence[str]) -> None:
        lines.append(f"| {title} | " + " | ".join(cells) + " |")

    for edit in edits:
        pairs = max(scores.edits[edit].pairs for scores in found.values() if edit in scores.edits)
        add(f"{edit} ({pairs})", [f"{100 * scores.edits[edit].recall:.1f}" for scores in found.values()])
    every = [scores.all for scores in found.values()]
    add("**all**", [f"**{100 * one.recall:.1f}**" for one in every])
    add("in the firm tiers", [f"{100 * one.firm / max(1, one.pairs):.1f}" if one.firm else "" for one in every])
    if section == "video":
        add("spans named", [f"{100 * one.spans_found / max(1, one.spans):.1f}" for one in every])
    add("wrong pairs, firm / all", [f"{one.wrong_firm} / {one.wrong}" for one in found.values()])
    add("of pairs", [f"{one.pairs:,}" for one in found.values()])
    nothing = [f"{one.nothing_firm} / {one.nothing_answered} of {one.nothing}" for one in found.values()]
    add("queries that match nothing, answered firmly / at all", nothing)
    add("micro-AP", [f"{one.micro_ap:.3f}" for one in found.values()])
    add("recall at 99 % precision", [f"{100 * one.recall_at_99:.1f}" for one in found.values()])
    add("recall before the first wrong pair", [f"{100 * one.recall_at_no_wrong:.1f}" for one in found.values()])
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(".corpus"))
    parser.add_argument("--split", choices=("tune", "test"))
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between")
    parser.add_argument("--edits", help="edits, with commas between")
    parser.add_argument("--photographs", type=int, help="queries made of so many sources")
    parser.add_argument("--videos", type=int)
    parser.add_argument("--clients", type=int, default=2, help="at most 4 searches of one person may wait")
    parser.add_argument("--peers", help="the Python that has the peers; without it they are not asked")
    parser.add_argument("--without-product", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(".bench-matching"))
    parser.add_argument("--keep", type=Path, help="where a run goes on that was begun in steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="nothing more is asked after so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(options, Kept(options.keep or Path(name)), time.monotonic() + 60 * options.minutes)


def measure(options: argparse.Namespace, kept: Kept, until_s: float) -> None:
    manifest = json.loads((options.directory / "manifest.json").read_text(encoding="utf-8"))
    parts = {section: chosen(manifest, section, options) for section in options.only.split(",")}
    print(f"{machine()}, split {options.split or 'all'}")
    found: dict[str, dict[str, Scores]] = {section: {} for section in parts}
    began = time.perf_counter()
    if not options.without_product:
        answers, failed, answer_s = ask_product(options.directory, parts, options.clients, kept, until_s)
        print(f"  {len(answer_s)} searches in {time.perf_counter() - began:.0f} s, references included")
        print("".join(f"  not searched: {line}\n" for line in failed), end="")
        for section, (_, wanted) in parts.items():
            queries = [row for row in wanted if row["file"] in answers]
            print(f"  {section}: {len(queries)} of {len(wanted)} asked so far")
            every = [row["id"] for row in {row["file"]: row for refs, _ in parts.values() for row in refs}.values()]
            found[section][OURS] = score(queries, every, answers)
    if options.peers:
        for section, (references, queries) in parts.items():
            names = [row["id"] for row in references]
            for peer, told in ask_peers_in_parts(options, kept, until_s, section, references, queries).items():
                found[section][peer] = score([row for row in queries if row["file"] in told], names, told)
    options.out.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(table(section, scores) for section, scores in found.items() if scores)
    print(f"\n{text}")
    (options.out / "results.md").write_text(text + "\n", encoding="utf-8")
    results = {section: {name: one.as_json() for name, one in scores.items()} for section, scores in found.items()}
    (options.out / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    if not options.without_product:
        as_json = {file: [asdict(one) for one in some] for file, some in answers.items()}
        (options.out / "answers.json").write_text(json.dumps(as_json, indent=1), encoding="utf-8")
    for section, scores in found.items():
        if scores:
            drawn = recall_svg(section, {name: _recalls(one) for name, one in scores.items()})
            (options.out / f"recall-{section}.svg").write_text(drawn, encoding="utf-8")


def _recalls(scores: Scores) -> dict[str, float]:
    return {name: edit.recall for name, edit in scores.edits.items()} | {"all": scores.all.recall}


if __name__ == "__main__":
    main()
