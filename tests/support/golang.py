"""Debian's Go and its package of golang.org/x/mod, as the interop tests need them: ``.ci/run`` installs both."""

import os
import shutil
import subprocess
from pathlib import Path

GOPATH = Path("/usr/share/gocode")
INTEROP = Path(__file__).resolve().parents[1] / "interop"


def go_environment() -> dict[str, str]:
    """GOPATH mode: no module is looked for, and nothing is fetched."""
    return {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "CGO_ENABLED": "0"}


def build_go(directory: str, into: Path) -> Path:
    """The program in ``tests/interop/<directory>``, compiled. Fails, saying what to install, when Go is not there."""
    assert shutil.which("go"), "The interop tests need Go: apt-get install golang"
    assert (GOPATH / "src/golang.org/x/mod").is_dir(), "They need x/mod: apt-get install golang-golang-x-mod-dev"
    program = into / directory
    command = ["go", "build", "-o", str(program), f"./{directory}"]
    built = subprocess.run(command, cwd=INTEROP, env=go_environment(), capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program
