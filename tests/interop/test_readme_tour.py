"""The README's tour, run exactly as printed, with bash and curl against the product itself."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.product import Product

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```bash\n(?P<commands>.*?)```\n(?:```output\n(?P<output>.*?)```\n)?", re.DOTALL)
END_OF_BLOCK = "@@ end of block @@"


def tour() -> list[tuple[str, str]]:
    """Each block's commands and the output that the README prints for them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    printed = text.split("<!-- tour -->")[1].split("<!-- /tour -->")[0]
    return [(found["commands"], found["output"] or "") for found in BLOCK.finditer(printed)]


def test_tour_when_run_as_printed_then_it_prints_what_the_readme_says(server: Product) -> None:
    assert shutil.which("curl"), "the tour needs curl"
    blocks = tour()
    script = "set -euo pipefail\n" + f"\necho '{END_OF_BLOCK}'\n".join(commands for commands, _ in blocks)
    environment = {**os.environ, "EXHIBIT": server.base_url, "EXHIBIT_DATA": str(server.data_dir)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = [output.strip() for output in done.stdout.split(END_OF_BLOCK)]
    assert len(outputs) == len(blocks)
    for (commands, expected), output in zip(blocks, outputs, strict=True):
        assert shape(output) == shape(expected.strip()), f"after:\n{commands}"


def shape(output: str) -> str:
    """Digests, ids and times differ from run to run; everything else is compared to the letter."""
    output = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", output)
    output = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>", output)
    output = re.sub(r"(tree_size +|BAD: line )\d+(?=\n|: the bytes)", r"\1<number>", output)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>", output)
