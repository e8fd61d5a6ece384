"""Witness policies: the standard's example, what it refuses, and the quorum against a naive reading of the rules."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.checkpoint import VerifierKey
from app.ledger.policy import Policy, PolicyInvalid, parse_policy
from tests.ledger.acts import SIGNER
from tests.support.witnesses import witness_key

LOG = VerifierKey("log.example.org/2026", SIGNER.public_key)
V = {number: witness_key(number).encode() for number in range(1, 9)}
K = {number: witness_key(number).public_key for number in range(1, 9)}

SPEC_EXAMPLE = f"""\
log {LOG.encode()}

witness X1 {V[1]}
witness X2 {V[2]}
witness X3 {V[3]}
group X-witnesses 2 X1 X2 X3

witness Y1 {V[4]}
witness Y2 {V[5]}
witness Y3 {V[6]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def parse(text: str) -> Policy:
    return parse_policy(text.encode("utf-8", "surrogateescape"))


def test_policy_given_the_standards_example_needs_two_of_x_and_one_of_y() -> None:
    policy = parse(SPEC_EXAMPLE)

    for cosigners in itertools.chain.from_iterable(itertools.combinations(range(1, 7), n) for n in range(7)):
        expected = len({1, 2, 3} & set(cosigners)) >= 2 and bool({4, 5, 6} & set(cosigners))
        assert policy.is_satisfied_by({K[number] for number in cosigners}) is expected, cosigners


def test_policy_given_tabs_comments_and_addresses_reads_them() -> None:
    text = f" # made by hand\n\n\tlog\t{LOG.encode()}  https://log.example.org/ \nwitness w {V[1]} http://w.example\n"

    policy = parse(text + "quorum w\n# the end\n")

    assert [(log.key, log.url) for log in policy.logs] == [(LOG, "https://log.example.org/")]
    assert [(w.name, w.key, w.url) for w in policy.witnesses] == [("w", witness_key(1), "http://w.example")]
    assert policy.is_satisfied_by({K[1]})
    assert not policy.is_satisfied_by({K[2]})


def test_policy_when_no_quorum_is_required_is_satisfied_by_nobody() -> None:
    assert parse("quorum none\n").is_satisfied_by(set())
    assert parse(f"witness w {V[1]}\nquorum none\n").is_satisfied_by(set())


def test_policy_given_names_that_look_the_same_keeps_them_apart() -> None:
    """ "K" and the Kelvin sign, and an octet that is no UTF-8: names are opaque."""
    kelvin, octet = "\N{KELVIN SIGN}", "\udcff"

    policy = parse(f"witness K {V[1]}\nwitness {kelvin} {V[2]}\nwitness {octet} {V[3]}\nquorum {kelvin}\n")

    assert [witness.name for witness in policy.witnesses] == ["K", kelvin, octet]
    assert policy.is_satisfied_by({K[2]})
    assert not policy.is_satisfied_by({K[1], K[3]})


W = f"witness a {V[1]}\nwitness b {V[2]}\n"
BAD = {
    "empty": "",
    "no quorum": W,
    "two quorums": W + "quorum a\nquorum a\n",
    "no last newline": W + "quorum a",
    "carriage return": W + "quorum a\r\n",
    "vertical tab": W + "quorum\va\n",
    "NUL": W + "quorum a\0\n",
    "delete character": W + "quorum a\x7f\n",
    "unknown keyword": W + "threshold a\nquorum a\n",
    "keyword in capitals": W + "Quorum a\n",
    "quorum undefined": W + "quorum c\n",
    "quorum before its definition": f"quorum a\nwitness a {V[1]}\n",
    "quorum of two": W + "quorum a b\n",
    "name twice": W + f"witness a {V[3]}\nquorum a\n",
    "group named as a witness": W + "group a any b\nquorum a\n",
    "witness named none": f"witness none {V[1]}\nquorum none\n",
    "group named none": W + "group none any a\nquorum a\n",
    "none in a group": W + "group g any a none\nquorum g\n",
    "same key twice": f"witness a {V[1]}\nwitness b {V[1]}\nquorum a\n",
    "log twice": f"log {LOG.encode()}\nlog {LOG.encode()}\nquorum none\n",
    "log with a cosigner's key": f"log {V[1]}\nquorum none\n",
    "witness with a log's key": f"witness a {LOG.encode()}\nquorum a\n",
    "group without members": W + "group g any\nquorum a\n",
    "group of undefined": W + "group g any c\nquorum g\n",
    "group of itself": W + "group g any g\nquorum g\n",
    "member twice": W + "group g 1 a a\nquorum g\n",
    "member of two groups": W + "group g any a\ngroup h any a b\nquorum g\n",
    "threshold 0": W + "group g 0 a b\nquorum g\n",
    "threshold above": W + "group g 3 a b\nquorum g\n",
    "threshold 01": W + "group g 01 a b\nquorum g\n",
    "threshold +1": W + "group g +1 a b\nquorum g\n",
    "threshold in other digits": W + "group g \u0661 a b\nquorum g\n",
    "threshold ALL": W + "group g ALL a b\nquorum g\n",
    "no-break space": f"witness\u00a0a {V[1]}\nquorum none\n",
    "too many items": f"witness a {V[1]} http://w.example more\nquorum a\n",
    "too long": "#" * 1_000_001 + "\nquorum none\n",
    "too many lines": "\n" * 10_001 + "quorum none\n",
}


@pytest.mark.parametrize("name", BAD)
def test_policy_when_malformed_is_refused(name: str) -> None:
    with pytest.raises(PolicyInvalid):
        parse(BAD[name])


def test_policy_when_malformed_names_the_line() -> None:
    with pytest.raises(PolicyInvalid, match=r"^line 3: 'c' is not defined"):
        parse(BAD["quorum undefined"])


@st.composite
def quorums(draw: st.DrawFn) -> tuple[str, object, set[int]]:
    """A policy over eight witnesses, the same rule as nested (threshold, members), and who cosigned."""
    pool: list[tuple[str, object]] = [(f"w{number}", number) for number in range(1, 9)]
    lines = [f"witness w{number} {V[number]}" for number in range(1, 9)]
    for count in range(draw(st.integers(0, 4))):
        members = draw(st.permutations(pool))[: draw(st.integers(1, len(pool)))]
        pool = [each for each in pool if each not in members]
        threshold = draw(st.integers(1, len(members)))
        words = [str(threshold)] + ["any"] * (threshold == 1) + ["all"] * (threshold == len(members))
        lines.append(f"group g{count} {draw(st.sampled_from(words))} {' '.join(name for name, _ in members)}")
        pool.append((f"g{count}", (threshold, [rule for _, rule in members])))
    name, rule = draw(st.sampled_from(pool))
    cosigned = draw(st.sets(st.integers(1, 8)))
    return "\n".join([*lines, f"quorum {name}"]) + "\n", rule, cosigned


def naive(rule: object, cosigned: set[int]) -> bool:
    if isinstance(rule, int):
        return rule in cosigned
    assert isinstance(rule, tuple)
    threshold, members = rule
    return bool(sum(naive(member, cosigned) for member in members) >= threshold)


@given(quorums())
def test_quorum_given_any_nesting_agrees_with_the_naive_reading(made: tuple[str, object, set[int]]) -> None:
    text, rule, cosigned = made

    assert parse(text).is_satisfied_by({K[number] for number in cosigned}) is naive(rule, cosigned)


@given(st.binary(max_size=300))
def test_policy_given_any_bytes_is_refused_or_read_without_another_error(data: bytes) -> None:
    try:
        parse_policy(data)
    except PolicyInvalid:
        return
