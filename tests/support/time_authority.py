"""A real time-stamping authority of this machine: an openssl CA, a time-stamping certificate, ``openssl ts -reply``."""

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.web_server import Reply

CONFIG = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
[tsa]
default_tsa = own
[own]
dir = {directory}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/tsa.pem
certs = $dir/intermediate.pem
signer_key = $dir/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True, timeout=60).stdout


@dataclass
class TimeAuthority:
    """Root, intermediate and time-stamping certificate in one directory; ``root`` is what to pin."""

    directory: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root(self) -> Path:
        return self.directory / "root.pem"

    def stamp(self, request: bytes) -> bytes:
        """The response (``.tsr``) to a request (``.tsq``); a rejection when openssl cannot read it."""
        arguments = ["ts", "-reply", "-config", str(self.directory / "openssl.cnf"), "-queryfile", "/dev/stdin"]
        with self.lock:  # It counts its serial numbers in a file.
            return openssl(*arguments, "-out", "/dev/stdout", given=request)

    def answer(self, request: bytes) -> Reply:
        return Reply(200, self.stamp(request), "application/timestamp-reply")


def make_authority(
    directory: Path, *, days: int = 2, usage: str = "critical, timeStamping", name: str = "Test"
) -> TimeAuthority:
    """A root, an intermediate that it signed, and an authority's certificate signed by that one. P-256 keys."""
    directory.mkdir(parents=True)
    config = directory / "openssl.cnf"
    config.write_text(CONFIG.format(directory=directory, usage=usage))
    (directory / "serial").write_text("01\n")

    def path(file: str) -> str:
        return str(directory / file)

    for each in ("root", "intermediate", "tsa"):
        key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        (directory / f"{each}.key").write_bytes(key)
    common = ("-config", path("openssl.cnf"), "-days", str(days))
    subject = f"/O={name}/CN={name}"
    openssl(
        *("req", "-x509", "-new", "-key", path("root.key"), "-subj", f"{subject} root", "-out", path("root.pem")),
        *("-extensions", "ca", *common),
    )
    for each, signer, kind in (("intermediate", "root", "ca"), ("tsa", "intermediate", "leaf")):
        openssl("req", "-new", "-key", path(f"{each}.key"), "-subj", f"{subject} {each}", "-out", path(f"{each}.csr"),
                "-config", path("openssl.cnf"))  # fmt: skip
        openssl(
            *(
                "x509",
                "-req",
                "-in",
                path(f"{each}.csr"),
                "-CA",
                path(f"{signer}.pem"),
                "-CAkey",
                path(f"{signer}.key"),
            ),
            *("-CAcreateserial", "-extfile", path("openssl.cnf"), "-extensions", kind, "-days", str(days)),
            *("-out", path(f"{each}.pem")),
        )
    return TimeAuthority(directory)
