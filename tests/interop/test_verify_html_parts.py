"""What verify.html is made of, one part after the other in a real Chromium: hashes, JSON, signatures, zip headers."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.exports.verifier import verify
from app.exports.verifier.verify import Bad, L, P
from app.ledger.keys import FileSigner
from tests.exports.test_ed25519 import RFC_8032
from tests.ledger.test_policy import BAD, SPEC_EXAMPLE
from tests.support.chromium import VerifierPage, open_chromium, open_page

pytestmark = pytest.mark.interop

NIST = [  # FIPS 180-4's examples: the empty message, one block, two blocks, a million times "a".
    (b"", "e3b0c44298fc1c149afbf4c8996fb924", "cf83e1357eefb8bdf1542850d66d8007"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223", "ddaf35a193617abacc417349ae204131"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039",
        "204a8fc6dda82f0a0ced7beb8e08a416",
    ),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67", "e718483d0ce769644e2e42c7bc15b463"),
]


@pytest.fixture(scope="module")
def parts() -> Iterator[VerifierPage]:
    with open_chromium() as browser, open_page(browser) as ready:
        yield ready


def _in_page(parts: VerifierPage, body: str, *arguments: Any) -> Any:
    """What a function of the page's own script gives, for JSON that is handed over."""
    told = f"async (given) => JSON.stringify(await ({body})(...given))"
    return json.loads(parts.page.evaluate(told, list(arguments)))


def test_hashes_when_given_the_standards_examples_then_give_their_digests(parts: VerifierPage) -> None:
    for message, sha256, sha512 in NIST:
        text = "(text) => [hex(sha256(ascii(text))), hex(sha512(ascii(text)))]"
        seen = _in_page(parts, text, message.decode())
        assert seen == [hashlib.sha256(message).hexdigest(), hashlib.sha512(message).hexdigest()]
        assert (seen[0][:32], seen[1][:32]) == (sha256, sha512)
    assert _in_page(parts, "() => new Crc32().update(ascii('123456789')).digest()") == 0xCBF43926


AGAINST_WEBCRYPTO = """async (seed) => {
  let state = seed, wrong = 0;
  const draw = (below) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  for (let turn = 0; turn < 400; turn++) {
    const bytes = crypto.getRandomValues(new Uint8Array(draw(turn % 40 ? 700 : 60000)));
    const [a, b] = [draw(bytes.length + 1), draw(bytes.length + 1)].sort((x, y) => x - y);
    const pieces = [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)];
    const native = async (name) => hex(new Uint8Array(await crypto.subtle.digest(name, bytes)));
    wrong += hex(sha256(...pieces)) !== (await native("SHA-256"));
    wrong += hex(sha512(...pieces)) !== (await native("SHA-512"));
    const whole = new Crc32().update(bytes).digest();
    wrong += pieces.reduce((crc, piece) => crc.update(piece), new Crc32()).digest() !== whole;
  }
  return wrong;
}"""


def test_hashes_when_fed_in_pieces_of_any_length_then_agree_with_webcrypto(parts: VerifierPage) -> None:
    assert _in_page(parts, AGAINST_WEBCRYPTO, 2026) == 0


JSON_LINES = [
    *("{}", "[]", "null", "true", "false", "0", "-1", "1", '""', '"\u00e9\u4e2d\U0001f600"'),
    *('{"a":1,"b":[1,2,{"c":null}]}', '{"__proto__":1}', '{"__proto__":{"x":1},"constructor":2,"toString":3}'),
    *('"\\b\\t\\n\\f\\r\\"\\\\"', '"\\u001f"', '"\x7f"', '{"A":1,"a":2,"~":3}', '{"":1}', "[" * 400 + "]" * 400),
    *("9007199254740991", "-9007199254740991", "9007199254740992", "99999999999999999999", "-0", "00", "01", "+1"),
    *("1.0", "1e2", "1E2", ".5", "NaN", "Infinity", "-", "", " 1", "1 ", "1\n", "nul", "truefalse", "tru", "[1,]"),
    *("[,1]", "[1 ,2]", '{"a":1,"a":1}', '{"b":1,"a":1}', '{"a": 1}', '{"a":1,}', "{a:1}", "{'a':1}", '{"a"}'),
    *('{"a":}', '{"\u00e9":1}', '"\\u0041"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\u001F"', '"\\u0008"'),
    *('"\\/"', '"\\x"', '"\t"', '"', '"abc', '["', "[", "{", "[[", "[]]", "\ufeff1", "\u00a01", '{"a":1}{"b":2}'),
    *('"\\', '"\\u00', "[" * 50_000),
]
NOT_UTF_8 = [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe9"', b'\xef\xbb\xbf"a"']
PARSE = """(lines) => lines.map((line) => {
  try {
    const bytes = Uint8Array.from(atob(line), (char) => char.charCodeAt(0)), value = parseCanonical(bytes);
    return canonical(value) === textOf(bytes) ? "taken" : "taken for another";
  } catch (error) {
    return error instanceof Bad ? "refused" : String(error);
  }
})"""


def _is_canonical(line: bytes) -> bool:
    try:
        verify.parse_canonical(line)
    except Bad:
        return False
    return True


def test_json_when_read_then_is_taken_and_refused_as_by_verify_py(parts: VerifierPage) -> None:
    lines = [*(line.encode() for line in JSON_LINES), *NOT_UTF_8]
    draw, honest = random.Random(5), b'{"a":[1,-2,"x\\n\xc3\xa9"],"b":{"c":null,"d":true},"e":"\\u0001"}'
    for _ in range(3000):  # One or two bytes of an honest line are others.
        changed = bytearray(honest)
        for _ in range(draw.choice((1, 2))):
            changed[draw.randrange(len(changed))] = draw.choice(b'{}[]",:\\0123456789aeu \x00\x7f\x80\xc3')
        lines.append(bytes(changed))
    seen = _in_page(parts, PARSE, [base64.b64encode(line).decode() for line in lines])
    for line, result in zip(lines, seen, strict=True):
        assert result == ("taken" if _is_canonical(line) else "refused"), line[:80]
    assert seen.count("taken") > 20


def _edge_cases() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Keys and signatures on which programs disagree (Chalkias, Garillot, Nikolaenko 2020), and honest ones."""
    for known in RFC_8032:
        yield bytes.fromhex(known[0]), bytes.fromhex(known[1]), bytes.fromhex(known[2])
    signer = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, message = FileSigner(signer).public_key, b"a checkpoint"
    good = signer.sign(message)
    yield public, message, good
    yield public, message + b"x", good
    yield public, message, good[:-1]
    s = int.from_bytes(good[32:], "little")
    yield public, message, good[:32] + (s + L).to_bytes(32, "little")  # Malleable: S beyond the group's order.
    small = [bytes(32), (1).to_bytes(32, "little"), (P - 1).to_bytes(32, "little"), (P + 1).to_bytes(32, "little")]
    order_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")
    small += [order_8, bytes([*order_8[:31], order_8[31] ^ 0x80]), (1 | 1 << 255).to_bytes(32, "little")]
    for key in small:  # Under a key of small order a signature of one message fits others.
        yield key, message, good[:32] + bytes(32)
        for point in small:
            yield key, message, point + bytes(32)
            yield public, message, point + good[32:]
    # A key with a part of small order: programs that multiply by the cofactor take what others refuse.
    mixed = verify._decode_point(order_8)
    own = verify._decode_point(public)
    assert mixed is not None
    assert own is not None
    yield verify._encode_point(verify._add(own, mixed)), message, good
    yield public, message, verify._encode_point(verify._add(verify._decode_point(good[:32]) or own, mixed)) + good[32:]
    draw = random.Random(25519)
    for _ in range(40):
        yield draw.randbytes(32), message, draw.randbytes(64)


VERIFY = """async (cases) => {
  const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)), results = [];
  for (const [key, message, signature] of cases) {
    results.push(await ed25519Verify(bytes(key), bytes(message), bytes(signature)).catch((error) => String(error)));
  }
  return [results, webCryptoHasEd25519];
}"""


def test_signatures_when_odd_then_are_taken_and_refused_as_by_verify_py(parts: VerifierPage) -> None:
    cases = list(_edge_cases())
    coded = [[base64.b64encode(each).decode() for each in case] for case in cases]
    results, has_webcrypto = _in_page(parts, VERIFY, coded)
    assert results == [verify.ed25519_verify(*case) for case in cases]
    assert results.count(True) == len(RFC_8032) + 1
    assert has_webcrypto is True


HEADERS = """(cases) => cases.map(([size, at, count]) => [
  hex(localHeader("custody/a.b", size, 7)), hex(centralHeader("custody/a.b", size, 7, at)),
  hex(endOfDirectory(count, size, at))])"""


def test_zip_headers_when_numbers_reach_zip64_then_are_those_of_verify_py(parts: VerifierPage) -> None:
    numbers = (0, 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**40, 2**53 - 1)
    cases = [[size, at, count] for size in numbers for at in numbers for count in (1, 65534, 65535, 65536)]
    expected = [
        [
            verify.local_header(b"custody/a.b", size, 7).hex(),
            verify.central_header(b"custody/a.b", size, 7, at).hex(),
            verify.end_of_directory(count, size, at).hex(),
        ]
        for size, at, count in cases
        if at + size < 2**53
    ]
    assert _in_page(parts, HEADERS, [case for case in cases if case[0] + case[1] < 2**53]) == expected


POLICY = """(texts) => texts.map((text) => {
  try {
    return [...parsePolicy(text).witnesses.keys()].join(" ");
  } catch (error) {
    return error instanceof Bad ? null : String(error);
  }
})"""


def test_policies_when_read_then_are_taken_and_refused_as_by_verify_py(parts: VerifierPage) -> None:
    odd = ("", "quorum none", "quorum none\n\n# \n", "\u00a0quorum none\n", "quorum none\r\n")
    texts = [SPEC_EXAMPLE, *BAD.values(), *odd]
    seen = _in_page(parts, POLICY, texts)
    for text, result in zip(texts, seen, strict=True):
        try:
            expected: str | None = " ".join(verify.parse_policy(text.encode()).witnesses)
        except Bad:
            expected = None
        assert result == expected, text


KEYS = """(texts) => texts.map((text) => {
  try {
    return parseKey(text).text;
  } catch (error) {
    return error instanceof Bad ? null : String(error);
  }
})"""


def test_keys_when_slips_were_made_then_are_refused_as_by_verify_py(parts: VerifierPage) -> None:
    def written(name: str) -> str:
        key = verify.Key(name, bytes(range(32)))
        encoded = base64.b64encode(bytes([1]) + key.public_key).decode()
        return f"{name}+{key.key_id.hex()}+{encoded}"

    honest = written("log.example.org/2026")
    names = ("a b", "a\u00a0b", "a\u200bb", "\ufeffa", "a\u0085", "Журнал", "سجل", "a\U0001f600", "a\u2028b", "")
    texts = [honest, f" {honest}\n", f"\ufeff{honest}", f"\x85{honest}\x1c", honest + "=", honest[:-1], honest.upper()]
    texts += [*map(written, names), re.sub(r"\+.*?\+", "+00000000+", honest), "x", "a+b", "a+b+c", "++"]
    seen = _in_page(parts, KEYS, texts)
    for text, result in zip(texts, seen, strict=True):
        try:
            verify.parse_key(text)
            is_taken = True
        except Bad:
            is_taken = False
        assert (result is not None) == is_taken, text
