"""One page for whoever opens the package: each check, its stock command, what it proves and what it does not."""

from collections.abc import Iterator

from app.exports.dossier import Dossier
from app.kernel.primitives import format_time

PATH = "data/README.txt"

TEXT = """\
EXHIBIT CUSTODY PACKAGE {id}
made {time}, scope: {scope}, log: {log}

What this is. Each line in data/ledger/streams/ is one act: who did what with which file, and when. Every act was
written into one append-only log when it was done, and the log's signed tree head is data/ledger/checkpoint. This
package shows that the acts and files in it are those that were logged, and that none was changed, removed, or left
out up to the moment of the package. It shows custody since intake. It does NOT show that what a person stated is
true, and nothing in it is a statement about the law.

To read: data/report/report.html or report.pdf. They are made of these acts and prove nothing by themselves.

Before you begin, get from SOMEWHERE ELSE than this package, and over a way that you trust:
  * the log's public key (one line, NAME+HASH+KEY). The copy in data/trust/log.vkey proves nothing by itself.
  * verify.html or verify.py, if you can (GET /v1/export-verifier.html and GET /v1/export-verifier of the server, or
    the project's source). The copies in data/verify/ came with the package: whoever forges a package can forge them.
    Each is one file that can be read.

Everything at once, without a network and without installing anything. In a browser: open verify.html, drop the zip on
it, paste the key. Or, on any computer with Python 3.11 or newer (PACKAGE.zip: this package, whatever it is called):
  python3 -I verify.py PACKAGE.zip --key 'NAME+HASH+KEY'
Exit status 0: all is as it was logged. 1: something is not, and the report names it. 2: it could not be checked.

By hand, with tools that are not ours. Unpack the zip and go into its folder.
  1  sha256sum -c manifest-sha256.txt; sha256sum -c tagmanifest-sha256.txt
     The files are those that were packed. Whoever re-packs the bag can rewrite these lists: see 4.
  2  sed -n 3p data/ledger/streams/STREAM.jsonl | tr -d '\\n' | sha256sum
     The third act's commitment. It stands, after its label, on one line of data/ledger/leaves.txt:
     grep COMMITMENT data/ledger/leaves.txt     So this act is one that the log holds.
  3  data/ledger/checkpoint is a C2SP signed note; data/ledger/proofs/ holds C2SP tlog-proofs against it. Go's
     golang.org/x/mod/sumdb/note and .../tlog check both. The log signed this tree, and the act is in it.
  4  sha256sum manifest-sha256.txt bag-info.txt
     Both digests stand in seal/entry.json, a later act in the same log; seal/proof.tlog-proof is its proof, and
     seal/consistency shows that the later tree continues the one in 3. So table, map, list and media are covered.
  5  data/anchors/SIZE/ if it is there: openssl ts -verify -data checkpoint -in NAME.tsr -CAfile ROOTS
     The tree of SIZE leaves existed at that time. verify.py does not check this. data/ledger/consistency/ leads
     from that tree to this package's; acts with a log index below SIZE are covered by the time stamp.
  6  data/verdicts/ if it is there: DSSE envelopes. A reviewer signed these words with a key of their own.

What no check shows: that a statement is true; what happened before intake; acts that nobody logged; that the log
shows everybody the same tree (compare the checkpoint with another party's, or ask for witnesses' signatures:
verify.py --policy). Sealed fields that are not opened here are salted digests: they hide names, addresses and texts,
and can be opened one by one later. What stays visible is the size of the whole log, and where these acts stand in it.
{media}
data/trust/ holds copies for convenience: NOT A SOURCE OF TRUST.
"""
WITH_MEDIA = """
Media: data/media/ holds originals as they were received; a file's name is its SHA-256, as its acts say it. They
show dead and injured people, many of them children. They carry what their devices wrote into them.
"""
WITH_COPIES = """
Media: data/derivatives/ holds redacted copies in place of the originals: parts were covered for good, and nothing is
left of them in these files; they carry no metadata and are smaller than the originals. A copy's name is its SHA-256, as
its act evidence.derived says it, with the SHA-256 of the original that it was made from. What was covered, and that it
was enough, is what the act evidence.redacted's actor decided; no check shows it.
"""
WITHOUT_MEDIA = "\nMedia: this package was made without the files themselves; the acts name them by their SHA-256.\n"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    told = TEXT.format(
        id=dossier.id,
        time=format_time(dossier.time),
        scope=dossier.scope,
        log=dossier.vkey.name,
        media=WITH_MEDIA if dossier.has_media else WITH_COPIES if dossier.is_redacted else WITHOUT_MEDIA,
    )
    yield PATH, [told.encode()]
