"""The page for browsers, read as text: it needs nothing and says what verify.py says. That it works: tests/interop."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from app.exports.verifier import verify
from app.exports.verifier_page import content_policy, page

PLAIN_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "p", "strong", "noscript", "fieldset", "legend"),
    *("label", "input", "textarea", "details", "summary", "button", "progress", "main", "div", "script"),
}
LOADS = ("src", "srcset", "href", "action", "formaction", "data", "poster", "background", "style", "ping", "manifest")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def inside(text: str, tag: str) -> str:
    (found,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return str(found)


def test_page_when_read_then_loads_nothing_and_runs_its_one_script(text: str) -> None:
    tags = Tags()
    tags.feed(text)
    assert {tag for tag, _ in tags.found} == PLAIN_TAGS
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name in LOADS or name.startswith("on")], tag
    assert [attributes for tag, attributes in tags.found if tag == "script"] == [{}]


WORDS = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "import("),
    *("XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "importScripts", "localStorage", "location"),
)


@pytest.mark.parametrize("word", WORDS)
def test_script_when_read_then_neither_speaks_to_anybody_nor_makes_html_of_text(text: str, word: str) -> None:
    assert word not in inside(text, "script")


@pytest.mark.parametrize("tag", ["script", "style"])
def test_policy_when_computed_anew_then_names_this_script_and_this_style(text: str, tag: str) -> None:
    digest = base64.b64encode(hashlib.sha256(inside(text, tag).encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in content_policy(text), f"write this digest into the page: {digest}"


def test_policy_when_read_then_allows_nothing_beside(text: str) -> None:
    policy = re.sub(r"'sha256-[A-Za-z0-9+/=]{44}'", "DIGEST", content_policy(text))
    assert policy.split("; ") == [
        "default-src 'none'",
        "script-src DIGEST 'wasm-unsafe-eval'",
        "style-src DIGEST",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types exhibit",
        "frame-ancestors 'none'",
    ]


def test_files_when_listed_then_are_those_of_verify_py(text: str) -> None:
    (listed,) = re.findall(r"const BELOW_DATA = \[\n(.*?)\];", text, re.DOTALL)
    assert tuple(re.findall(r"String\.raw`(.*?)`", listed)) == verify._BELOW_DATA
    (required,) = re.findall(r"const REQUIRED = \[\n(.*?)\];", text, re.DOTALL)
    assert tuple(re.findall(r'"(.*?)"', required)) == verify.REQUIRED


def test_checks_when_told_then_are_told_as_by_verify_py(text: str) -> None:
    (told,) = re.findall(r"const CHECKS = \{\n(.*?)\};", text, re.DOTALL)
    assert dict(re.findall(r'(\w+): "(.*)",\n', told)) == verify.CHECKS
    for words in (verify.WITNESSES, verify.UNPINNED):
        assert f'"{words}"' in text


SHAPES = ("ENTRY", "ACTOR", "ACTED_ON", "WITHHELD", "CONTINUES", "EXPORT", "STREAM", "MEDIUM", "OPENING", "DSSE")


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_when_compared_then_have_the_members_of_verify_py(text: str, name: str) -> None:
    (shape,) = re.findall(rf"const {name} = \{{(.*?)\}};", text, re.DOTALL)
    assert re.findall(r"(\w+):", shape) == list(getattr(verify, name))


def test_script_when_read_then_has_no_line_that_is_too_long_to_read(text: str) -> None:
    assert [line for line in inside(text, "script").splitlines() if len(line) > 130] == []
