"""The page that checks packages, in a real Chromium."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from app.exports.verifier_page import PAGE

WITHIN_MS = 120_000

# Each file goes in by the page's own input and button, as a person's does; in one call, for there are hundreds. They
# come by way of an input of this test's own, for Chromium to read them from the disk.
CHECK_ALL = """async (flips) => {
  const byId = (id) => document.getElementById(id);
  const files = [...byId("of-the-test").files], base = new Uint8Array(await files[0].arrayBuffer());
  const turned = (at, bits) => new File([base.map((byte, place) => (place === at ? byte ^ bits : byte))], "x");
  const flipped = flips && flips.map(([at, bits]) => turned(at, bits));
  const reports = [];
  for (const file of flipped || files) {
    const chosen = new DataTransfer();
    chosen.items.add(file);
    byId("package").files = chosen.files;
    byId("package").dispatchEvent(new Event("change"));
    byId("check").click();
    while (byId("check").disabled) await new Promise((resolve) => setTimeout(resolve, 2));
    reports.push(byId("result").hidden ? byId("status").textContent : JSON.parse(byId("json").textContent));
  }
  byId("of-the-test").remove();
  return JSON.stringify(reports);
}"""
ADD_INPUT = """() => {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", multiple: true, id: "of-the-test" });
  document.body.append(input);
}"""
DROP_LONG = """(mib) => {
  const dropped = new DataTransfer(), piece = new Blob([new Uint8Array(2 ** 20)]);
  dropped.items.add(new File(Array(mib).fill(piece), "long.zip"));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""
DROP = """(text) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([Uint8Array.from(atob(text), (char) => char.charCodeAt(0))], "dropped.zip"));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


@dataclass
class VerifierPage:
    """The page as it is open now; ``heard``: what it asked of the network, and what the console says is wrong."""

    page: Page
    heard: list[str] = field(default_factory=list)

    def open(self, address: str = PAGE.as_uri()) -> None:
        self.page.on("request", lambda request: self._hear(request.url))
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.goto(address)
        self.heard = [each for each in self.heard if each != address]

    def _hear(self, url: str) -> None:
        if not url.startswith("blob:"):  # Its own workers' text.
            self.heard.append(url)

    def use_key(self, *keys: str) -> None:
        self.page.fill("#key", "\n".join(keys))
        self.page.set_checked("#unpinned", not keys)

    def run(self) -> dict[str, Any]:
        """Press the button, and wait for the report."""
        self.page.click("#check")
        self.page.locator("#check:enabled").wait_for(timeout=WITHIN_MS)
        assert self.page.is_visible("#result"), self.page.inner_text("#status")
        return self.shown()

    def shown(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.page.text_content("#json") or "")
        return report

    def choose(self, file: Path) -> None:
        self.page.set_input_files("#package", file)

    def drop(self, content: bytes) -> None:
        self.page.evaluate(DROP, _base64(content))

    def drop_long(self, mib: int) -> None:
        """Zeros: no zip, which takes long to read and little memory."""
        self.page.evaluate(DROP_LONG, mib)

    def check_all(
        self, contents: Sequence[bytes], flips: Sequence[tuple[int, int]] | None = None
    ) -> list[dict[str, Any]]:
        """The reports on these files; or on the first of them, once for each (place, bits) with these bits turned."""
        self.page.evaluate(ADD_INPUT)
        with tempfile.TemporaryDirectory() as name:
            paths = [Path(name, f"{number:04d}.zip") for number in range(len(contents))]
            for path, content in zip(paths, contents, strict=True):
                path.write_bytes(content)
            self.page.set_input_files("#of-the-test", paths)
            reports: list[dict[str, Any]] = json.loads(self.page.evaluate(CHECK_ALL, flips))
        return reports


def chromium_processes() -> dict[int, list[str]]:
    """Processes of ours that are a browser's, and their command lines."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_bytes().decode().split("\0")
            except (OSError, ValueError):  # It has just ended.
                continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: commands[pid] for pid in found if any("chrom" in word for word in commands[pid][:1])}


def most_memory_mib(*, but: Collection[int] = ()) -> float:
    """The most that one of the browser's processes ever had resident, of those not named."""
    peaks = [0.0]
    for pid in chromium_processes().keys() - set(but):
        try:
            status = Path("/proc", str(pid), "status").read_text()
        except OSError:
            continue
        peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return max(peaks)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Until the block ends; while it lasts, this thread has a running event loop."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, address: str = PAGE.as_uri()) -> Iterator[VerifierPage]:
    """In a context that has no network."""
    context = browser.new_context(offline=True, accept_downloads=True)
    try:
        opened = VerifierPage(context.new_page())
        opened.open(address)
        yield opened
    finally:
        context.close()
