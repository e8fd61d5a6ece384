"""The page that checks packages in a browser: one file, in every package and given out by itself."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "verifier" / "verify.html"
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
OF_A_SERVER = "frame-ancestors 'none'"
"""What a page cannot say of itself. No sandbox: without an origin of its own Chromium's workers have no WebCrypto."""


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def content_policy(text: str) -> str:
    """The policy that stands in the page, for a header, and what only a header can ask for."""
    found = _POLICY.search(text)
    assert found is not None, "the page has lost its policy"
    return f"{found[1]}; {OF_A_SERVER}"
