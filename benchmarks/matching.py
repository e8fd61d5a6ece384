"""``make bench-matching``: does the product find the same footage again? Recall, wrong pairs and precision per edit.

``python -m benchmarks.matching [--directory .corpus] [--split tune|test] [--only photograph,video,still] [--edits a,b]
[--photographs N] [--videos N] [--seed 1] [--clients 2] [--peers PYTHON] [--without-product] [--out DIR]
[--keep DIR --minutes M]``

The corpus (``make corpus``) is asked of a whole ``exhibit serve`` with its own PostgreSQL, through the HTTP API: the
references are uploaded as evidence, each query is asked by ``POST /v1/similar``. Beside it, on the same files and in
the same run, what others find (``matching_peers``, by the Python of an environment of their own). Wrong pairs are
counted over all pairs. Thresholds are tuned on ``tune``, claims are made of ``test``. Table on standard output;
``results.json`` (with the files that were missed or answered wrongly), ``answers.json``, ``results.md`` and a plot of
each section in ``--out``.

It takes hours: with ``--keep`` and ``--minutes`` in steps, each of which goes on where the one before ended, and scores
what was asked so far. Queries are asked in rounds, in an order that the seed gives: each round has as many of every
edit, of other sources each time, so that what was asked by any moment stands for the whole. Peers are asked about a
round after the product was, and scored on the files that all have answered; their answers are kept, too, whatever
becomes of the product (``--without-product`` asks them alone).
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
from random import Random
from typing import Any

from benchmarks.__main__ import machine
from benchmarks.matching_kept import Kept
from benchmarks.matching_plot import recall_svg
from benchmarks.matching_product import Asked
from benchmarks.matching_scores import Answered, Scores, score
from tests.support.product import AS_SHIPPED, start_product

SOURCES_A_ROUND = 2
"""A round has each edit of so many sources."""
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


def in_rounds(queries: Sequence[Row], seed: int, rounds: int) -> list[list[Row]]:
    """The queries in so many rounds: of every edit the same number in each, of a source no two of one edit, and of
    all sources as many as can be."""
    sources = sorted({row["of"] for row in queries})
    Random(seed).shuffle(sources)
    edits = list(dict.fromkeys(row["edit"] for row in queries))
    place = {source: number for number, source in enumerate(sources)}
    turn = {edit: number for number, edit in enumerate(edits)}
    found: list[list[Row]] = [[] for _ in range(rounds)]
    for row in queries:
        found[(place[row["of"]] + turn[row["edit"]]) % len(sources) * rounds // len(sources)].append(row)
    return found


def rounds_of(parts: Mapping[str, tuple[list[Row], list[Row]]], seed: int) -> list[dict[str, list[Row]]]:
    """Of each round the queries of each section."""
    rounds = max(1, *(len({row["of"] for row in queries}) // SOURCES_A_ROUND for _, queries in parts.values()))
    each = {section: in_rounds(queries, seed, rounds) for section, (_, queries) in parts.items() if queries}
    return [{section: found[number] for section, found in each.items()} for number in range(rounds)]


def ask_peers(
    python: str, section: str, directory: Path, references: list[Row], kept: Path, queries: list[Row]
) -> dict[str, dict[str, list[Answered]]]:
    with tempfile.TemporaryDirectory() as name:
        question, answer = Path(name) / "question.json", Path(name) / "answer.json"
        asked = {"section": section, "directory": str(directory), "references": references, "queries": queries}
        question.write_text(json.dumps(asked | {"kept": str(kept)}), encoding="utf-8")
        run = [python, "-W", "ignore", "-m", "benchmarks.matching_peers", str(question), str(answer)]
        subprocess.run(run, check=True)
        found = json.loads(answer.read_text(encoding="utf-8"))
    for peer, told in found.items():
        print(f"  {peer}: {told['costs']['ms_a_file']:.0f} ms a file, {told['costs']['us_a_pair']:.0f} µs a pair")
    return {
        peer: {file: [Answered(*one) for one in scored] for file, scored in told["answers"].items()}
        for peer, told in found.items()
    }


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
    parser.add_argument("--seed", type=int, default=1, help="of the order in which queries are asked")
    parser.add_argument("--clients", type=int, default=2, help="at most 4 searches of one person may wait")
    parser.add_argument("--peers", help="the Python that has the peers; without it they are not asked")
    parser.add_argument("--without-product", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(".bench-matching"))
    parser.add_argument("--keep", type=Path, help="where a run goes on that was begun in steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="nothing more is asked after so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(options, Kept(options.keep or Path(name)), time.monotonic() + 60 * options.minutes)


class Run:
    """What is asked, of whom, and what was answered so far."""

    def __init__(self, options: argparse.Namespace, kept: Kept, until_s: float) -> None:
        manifest = json.loads((options.directory / "manifest.json").read_text(encoding="utf-8"))
        self._options, self._kept, self._until_s = options, kept, until_s
        self.parts = {section: chosen(manifest, section, options) for section in options.only.split(",")}
        self.references = list({row["file"]: row for found, _ in self.parts.values() for row in found}.values())
        """One installation holds the references of all sections, so that a photograph can be mistaken for a video."""
        self.answers: dict[str, dict[str, dict[str, list[Answered]]]] = {section: {} for section in self.parts}
        """Section → of whom → the query's file."""

    def ask(self) -> None:
        rounds = rounds_of(self.parts, self._options.seed)
        product = None if self._options.without_product else start_product(self._kept.data, **AS_SHIPPED)
        try:
            asked = (
                None if product is None else Asked(product, self._options, self.references, self._kept, self._until_s)
            )
            for number, queries in enumerate(rounds, 1):
                if time.monotonic() >= self._until_s and asked is not None and not asked.knows(queries):
                    break
                self._ask_round(asked, queries)
                print(f"  round {number} of {len(rounds)}", flush=True)
            if asked is not None:
                asked.tell()
        finally:
            if product is not None:
                product.stop()

    def _ask_round(self, asked: Asked | None, queries: Mapping[str, list[Row]]) -> None:
        if asked is not None:
            found = asked.answers([row for rows in queries.values() for row in rows])
            for section, rows in queries.items():
                told = {row["file"]: found[row["file"]] for row in rows if row["file"] in found}
                self.answers[section].setdefault(OURS, {}).update(told)
        if self._options.peers is None:
            return
        for section, rows in queries.items():
            references, _ = self.parts[section]
            question = {"section": section, "references": references, "queries": rows}
            files = self._kept.features(section, references)
            ask = partial(ask_peers, self._options.peers, section, self._options.directory, references, files, rows)
            if self._kept.knows_peers(question) or time.monotonic() < self._until_s:
                for peer, told in self._kept.peers(question, ask).items():
                    self.answers[section].setdefault(peer, {}).update(told)

    def scores(self) -> dict[str, dict[str, Scores]]:
        """On the files that all have answered."""
        every = [row["id"] for row in self.references]
        found: dict[str, dict[str, Scores]] = {}
        for section, (references, wanted) in self.parts.items():
            told = self.answers[section]
            queries = [row for row in wanted if told and all(row["file"] in answers for answers in told.values())]
            print(f"  {section}: {len(queries)} of {len(wanted)} queries scored")
            own = [row["id"] for row in references]
            names = {name: every if name == OURS else own for name in told}
            found[section] = {name: score(queries, names[name], told[name]) for name in told} if queries else {}
        return found


def measure(options: argparse.Namespace, kept: Kept, until_s: float) -> None:
    print(f"{machine()}, split {options.split or 'all'}")
    run = Run(options, kept, until_s)
    run.ask()
    found = run.scores()
    options.out.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(table(section, scores) for section, scores in found.items() if scores)
    print(f"\n{text}")
    (options.out / "results.md").write_text(text + "\n", encoding="utf-8")
    results = {section: {name: one.as_json() for name, one in scores.items()} for section, scores in found.items()}
    (options.out / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    ours = {file: some for told in run.answers.values() for file, some in told.get(OURS, {}).items()}
    as_json = {file: [asdict(one) for one in some] for file, some in ours.items()}
    (options.out / "answers.json").write_text(json.dumps(as_json, indent=1), encoding="utf-8")
    for section, scores in found.items():
        if scores:
            drawn = recall_svg(section, {name: _recalls(one) for name, one in scores.items()})
            (options.out / f"recall-{section}.svg").write_text(drawn, encoding="utf-8")


def _recalls(scores: Scores) -> dict[str, float]:
    return {name: edit.recall for name, edit in scores.edits.items()} | {"all": scores.all.recall}


if __name__ == "__main__":
    main()
