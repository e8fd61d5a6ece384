"""One log's tree: every leaf in order, every node, every signed checkpoint.

**Consistency between all checkpoints.** One growing frontier meets the root of each of them as it passes its size: so
every signed tree is the beginning of every later one, of all n·(n-1)/2 pairs, without a single proof. That the proofs
which the server hands out say the same follows from the nodes, each of which is compared with the one computed; of some
pairs they are made from the stored nodes and verified, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from app.ledger import reading
from app.ledger.audit_reading import CHECKPOINTS, LEAVES, Row, each_row
from app.ledger.audit_report import AuditReport, Fault, Progress
from app.ledger.checkpoint import NoteInvalid, VerifierKey, open_signed
from app.ledger.event import leaf
from app.ledger.merkle import Frontier, ProofInvalid, leaf_hash, verify_consistency
from app.ledger.reading import KeyPeriod, NotInLog

PROGRESS_ROWS = 5_000
NODES_COMPARED = 5_000
PROOFS_VERIFIED = 64

_OTHER_NODES = text("""
    SELECT w.level, w.idx FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[]),
                                      CAST(:hashes AS bytea[])) AS w (level, idx, hash)
    LEFT JOIN ledger_nodes n ON n.log_id = :log_id AND n.level = w.level AND n.idx = w.idx
    WHERE n.hash IS DISTINCT FROM w.hash
""")
_COUNT_NODES = text("SELECT count(*) FROM ledger_nodes WHERE log_id = :log_id")
_EXTRA_NODES = text("""
    SELECT level, idx FROM ledger_nodes
    WHERE log_id = :log_id AND (level < 1 OR CAST(idx + 1 AS numeric) * CAST(2 AS numeric) ^ level > :size)
    ORDER BY level, idx LIMIT 20
""")


@dataclass
class _Tree:
    connection: Connection
    log_id: int
    vkeys: Sequence[VerifierKey]
    report: AuditReport
    periods: dict[VerifierKey, KeyPeriod]
    """The published history of this log's keys."""
    frontier: Frontier = field(default_factory=Frontier)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Computed and not yet compared."""
    nodes_count: int = 0
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    """Some of the good checkpoints, spread over all of them."""
    every: int = 1
    good: int = 0


def check_tree(
    connection: Connection, log_id: int, vkeys: Sequence[VerifierKey], report: AuditReport, tell: Progress
) -> None:
    periods = {each.vkey: each for each in reading.key_periods(connection, log_id=log_id)}
    tree = _Tree(connection, log_id, vkeys, report, periods)
    report.size, report.root = 0, ""
    checkpoints = each_row(connection, CHECKPOINTS, log_id=log_id)
    due = next(checkpoints, None)
    for index, label, commitment in each_row(connection, LEAVES, log_id=log_id):
        if index != tree.frontier.size:
            report.add(Fault("leaf", f"expected leaf {tree.frontier.size}", log_index=index))
        grown = tree.frontier.append(leaf_hash(leaf(label.hex(), commitment.hex())))
        tree.nodes += (node for node in grown if node[0] > 0)
        if len(tree.nodes) >= NODES_COMPARED:
            _compare_nodes(tree)
        while due is not None and due[0] <= tree.frontier.size:
            _check_checkpoint(tree, due)
            due = next(checkpoints, None)
        if tree.frontier.size % PROGRESS_ROWS == 0:
            tell("leaves", tree.frontier.size)
    size = tree.frontier.size
    report.leaves += size
    tell("leaves", size)
    _compare_nodes(tree)
    _check_extra_nodes(tree)
    while due is not None:
        report.checkpoints += 1
        report.add(Fault("checkpoint", f"{due[0]} leaves were signed, the log holds {size}"))
        due = next(checkpoints, None)
    if report.size != size:
        report.add(Fault("checkpoint", f"{size} leaves, the newest good checkpoint covers {report.size}"))
    _check_proofs(tree)


def _compare_nodes(tree: _Tree) -> None:
    parameters = {
        "log_id": tree.log_id,
        "levels": [level for level, _, _ in tree.nodes],
        "indexes": [index for _, index, _ in tree.nodes],
        "hashes": [digest for _, _, digest in tree.nodes],
    }
    for row in tree.connection.execute(_OTHER_NODES, parameters):
        detail = f"the node at level {row.level}, index {row.idx} is missing or not the hash of its leaves"
        tree.report.add(Fault("node", detail, log_index=row.idx << row.level))
    tree.nodes_count += len(tree.nodes)
    tree.nodes.clear()


def _check_extra_nodes(tree: _Tree) -> None:
    stored = tree.connection.execute(_COUNT_NODES, {"log_id": tree.log_id}).scalar_one()
    if stored == tree.nodes_count:
        return
    tree.report.add(Fault("node", f"{stored} nodes are stored, the tree has {tree.nodes_count}"))
    for row in tree.connection.execute(_EXTRA_NODES, {"log_id": tree.log_id, "size": tree.frontier.size}):
        detail = f"the node at level {row.level}, index {row.idx} is of no complete subtree"
        tree.report.add(Fault("node", detail, log_index=row.idx << row.level))


def _check_checkpoint(tree: _Tree, row: Row) -> None:
    size, root, note = row
    report, computed = tree.report, tree.frontier.root()
    report.checkpoints += 1
    try:
        signed, signers = open_signed(note, *tree.vkeys)
    except NoteInvalid as error:
        report.add(Fault("checkpoint", f"of size {size}: {error}"))
        return
    _check_signers(tree, size, signers)
    if (signed.size, signed.root) != (size, root):
        report.add(Fault("checkpoint", f"of size {size}: the signed note says {signed.size}, {signed.root.hex()}"))
    elif (signed.size, signed.root) != (tree.frontier.size, computed):
        detail = f"of size {size}: signed root {signed.root.hex()}, the leaves give {computed.hex()}"
        report.add(Fault("checkpoint", detail, log_index=size - 1))
    else:
        report.size, report.root = signed.size, signed.root.hex()
        _remember(tree, size, root)


def _check_signers(tree: _Tree, size: int, signers: Sequence[VerifierKey]) -> None:
    """A tree bears the signatures of exactly those keys that the history calls valid at its size."""
    for key in tree.vkeys:
        period = tree.periods.get(key)
        is_valid = period is not None and period.covers(size)
        if key in signers and not is_valid:
            valid = "is not in the history of keys"
            if period is not None:
                valid = f"signed trees of {period.first_size} to {period.last_size} leaves only"
            detail = f"the checkpoint of size {size} is signed by the key {key.key_id.hex()}, which {valid}"
            tree.report.add(Fault("key", detail, log_index=size - 1))
        elif is_valid and key not in signers:
            detail = (
                f"the checkpoint of size {size} lacks the signature of the key {key.key_id.hex()}, valid at that size"
            )
            tree.report.add(Fault("key", detail, log_index=size - 1))


def _remember(tree: _Tree, size: int, root: bytes) -> None:
    if tree.good % tree.every == 0:
        tree.heads.append((size, root))
    if len(tree.heads) > PROOFS_VERIFIED:
        tree.heads = tree.heads[::2]
        tree.every *= 2
    tree.good += 1


def _check_proofs(tree: _Tree) -> None:
    """From the stored nodes alone: each of some signed trees leads to the next, as an outsider would be shown it."""
    for (old, old_root), (new, new_root) in zip(tree.heads, tree.heads[1:], strict=False):
        try:
            proof = reading.consistency_proof(tree.connection, old, new, log_id=tree.log_id)
            verify_consistency(old, new, old_root, new_root, proof)
        except (NotInLog, ProofInvalid) as error:
            detail = f"the stored nodes do not lead from the signed tree of {old} leaves to that of {new}: {error}"
            tree.report.add(Fault("node", detail, log_index=old - 1))
