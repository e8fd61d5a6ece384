"""What a run of ``benchmarks.matching`` has come to, kept in a directory so that the next run goes on from there.

A whole run takes hours: a machine that is shared is given it in steps (``--keep DIR --minutes 20``). Kept are the
installation with its references, each query's answer as it came, and the peers' answers to each part of the queries.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.matching_scores import Answered

Row = dict[str, Any]
PeersAnswers = dict[str, dict[str, list[Answered]]]


class Kept:
    """Lines are added and never changed: of a step that was killed, all that it had finished counts."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)  # The database runs under another account.
        self._directory = directory
        self._lock = threading.Lock()
        self.items: dict[str, str] = {}
        """Item → the reference's file."""
        self.case: tuple[str, str] | None = None
        """The case, and the token with which it is asked."""
        self.answers: dict[str, list[Answered]] = {}
        for line in self._lines("uploaded.jsonl"):
            if "case" in line:
                self.case = line["case"], line["token"]
            else:
                self.items[line["item"]] = line["file"]
        for line in self._lines("answers.jsonl"):
            self.answers[line["file"]] = _answers_of(line["answers"])

    @property
    def data(self) -> Path:
        return self._directory / "data"

    def made_case(self, case_id: str, token: str) -> None:
        self.case = case_id, token
        self._add("uploaded.jsonl", {"case": case_id, "token": token})

    def uploaded(self, item: str, file: str) -> None:
        self.items[item] = file
        self._add("uploaded.jsonl", {"item": item, "file": file})

    def answered(self, file: str, answers: Sequence[Answered]) -> None:
        self.answers[file] = list(answers)
        self._add("answers.jsonl", {"file": file, "answers": [asdict(one) for one in answers]})

    def features(self, section: str, references: Sequence[Row]) -> Path:
        """Where the peers keep what they took of these references."""
        return self._directory / f"references-{_digest([section, *references])}.pickle"

    def knows_peers(self, question: Row) -> bool:
        return self._peers(question).exists()

    def _peers(self, question: Row) -> Path:
        return self._directory / f"peers-{_digest(question)}.json"

    def peers(self, question: Row, ask: Callable[[], PeersAnswers]) -> PeersAnswers:
        """What the peers answered to this question; asked once."""
        path = self._peers(question)
        if path.exists():
            told = json.loads(path.read_text(encoding="utf-8"))
            return {peer: {file: _answers_of(some) for file, some in each.items()} for peer, each in told.items()}
        found = ask()
        kept = {peer: {file: [asdict(one) for one in some] for file, some in e.items()} for peer, e in found.items()}
        fresh = path.with_suffix(".part")
        fresh.write_text(json.dumps(kept), encoding="utf-8")
        fresh.rename(path)
        return found

    def _lines(self, name: str) -> list[Row]:
        """A line that was cut off is taken away, so that the next one begins anew."""
        path = self._directory / name
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            path.write_bytes(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _add(self, name: str, line: Row) -> None:
        with self._lock, (self._directory / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _answers_of(rows: Sequence[Row]) -> list[Answered]:
    return [Answered(**{**row, "spans": tuple(map(tuple, row["spans"]))}) for row in rows]
