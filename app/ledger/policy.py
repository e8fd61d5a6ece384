"""Whose cosignatures make a checkpoint valid: the policy file of c2sp.org/tlog-policy, parsed and evaluated. Pure.

Octets beyond ASCII are opaque: they are carried through Python's surrogate escapes, so that two spellings of what
looks the same stay two names.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.ledger.checkpoint import NoteInvalid, VerifierKey, parse_vkey
from app.ledger.cosignature import WitnessKey, parse_witness_vkey

NO_QUORUM = "none"
POLICY_LIMIT_BYTES = 1_000_000
LINES_LIMIT = 10_000

_FORBIDDEN_OCTET = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,5}")
_WHITESPACE = " \t"


class PolicyInvalid(ValueError):
    """A policy file is malformed; the message names the line."""


@dataclass(frozen=True)
class PolicyLog:
    key: VerifierKey
    url: str | None


@dataclass(frozen=True)
class PolicyWitness:
    """``name`` means something within the policy file only."""

    name: str
    key: WitnessKey
    url: str | None


@dataclass(frozen=True)
class PolicyGroup:
    """Has witnessed a checkpoint when at least ``threshold`` of its members (witnesses, earlier groups) have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """``quorum`` names a witness or a group; None: no cosignature is required."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    @property
    def witness_keys(self) -> tuple[WitnessKey, ...]:
        return tuple(witness.key for witness in self.witnesses)

    def is_satisfied_by(self, cosigners: Collection[bytes]) -> bool:
        """Whether these public keys, each of a verified cosignature, make up the quorum."""
        if self.quorum is None:
            return True
        witnessed = {witness.name for witness in self.witnesses if witness.key.public_key in cosigners}
        for group in self.groups:  # A member is defined on an earlier line.
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed


def parse_policy(data: bytes) -> Policy:
    """Strict. Raises PolicyInvalid."""
    if len(data) > POLICY_LIMIT_BYTES:
        raise PolicyInvalid(f"a policy has at most {POLICY_LIMIT_BYTES} bytes")
    forbidden = _FORBIDDEN_OCTET.search(data)
    if forbidden is not None:
        place = data.count(b"\n", 0, forbidden.start()) + 1
        raise PolicyInvalid(f"line {place}: the only control characters are tab and newline")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines.pop():
        raise PolicyInvalid(f"line {len(lines) + 1}: every line ends in a newline, the last one too")
    if len(lines) > LINES_LIMIT:
        raise PolicyInvalid(f"a policy has at most {LINES_LIMIT} lines")
    reading = _Reading()
    for number, line in enumerate(lines, start=1):
        try:
            reading.take(_items(line))
        except (PolicyInvalid, NoteInvalid) as error:
            raise PolicyInvalid(f"line {number}: {error}") from error
    return reading.policy()


def _items(line: str) -> list[str]:
    return [item for item in re.split(f"[{_WHITESPACE}]+", line) if item]


class _Reading:
    """What the lines so far have defined."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: str | None = None
        self.names: set[str] = set()
        self.grouped: set[str] = set()

    def take(self, items: list[str]) -> None:
        """One line's items. Raises PolicyInvalid or NoteInvalid."""
        if not items or items[0].startswith("#"):
            return
        keyword, arguments = items[0], items[1:]
        if keyword == "log" and 1 <= len(arguments) <= 2:
            self._take_log(*arguments)
        elif keyword == "witness" and 2 <= len(arguments) <= 3:
            self._take_witness(*arguments)
        elif keyword == "group" and len(arguments) >= 3:
            self._take_group(arguments[0], arguments[1], arguments[2:])
        elif keyword == "quorum" and len(arguments) == 1:
            self._take_quorum(arguments[0])
        else:
            raise PolicyInvalid("a line is 'log', 'witness', 'group' or 'quorum' with what belongs to it")

    def policy(self) -> Policy:
        if self.quorum is None:
            raise PolicyInvalid("there is no 'quorum' line")
        quorum = None if self.quorum == NO_QUORUM else self.quorum
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), quorum)

    def _take_log(self, vkey: str, url: str | None = None) -> None:
        key = parse_vkey(vkey)
        if any(log.key.public_key == key.public_key for log in self.logs):
            raise PolicyInvalid("this log's key is here already")
        self.logs.append(PolicyLog(key, url))

    def _take_witness(self, name: str, vkey: str, url: str | None = None) -> None:
        key = parse_witness_vkey(vkey)
        if any(witness.key.public_key == key.public_key for witness in self.witnesses):
            raise PolicyInvalid("this witness's key is here already")
        self._define(name)
        self.witnesses.append(PolicyWitness(name, key, url))

    def _take_group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            if member not in self.names:
                raise PolicyInvalid(f"{member!r} is not defined on a line before this one")
            if member in self.grouped:
                raise PolicyInvalid(f"{member!r} is a group's member already")
            self.grouped.add(member)
        self._define(name)
        self.groups.append(PolicyGroup(name, _threshold(threshold, len(members)), tuple(members)))

    def _take_quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyInvalid("there is a 'quorum' line already")
        if name != NO_QUORUM and name not in self.names:
            raise PolicyInvalid(f"{name!r} is not defined on a line before this one")
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == NO_QUORUM or name in self.names:
            raise PolicyInvalid(f"the name {name!r} is taken")
        self.names.add(name)


def _threshold(text: str, members_count: int) -> int:
    if text == "any":
        return 1
    if text == "all":
        return members_count
    if not _THRESHOLD.fullmatch(text) or int(text) > members_count:
        raise PolicyInvalid(f"a group's threshold is 'any', 'all' or a number from 1 to {members_count}")
    return int(text)
