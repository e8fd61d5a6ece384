"""``exhibit ledger verify --url``: anybody's check of a published log. No database, no secret, no settings.

Exit status: 0 all as it was signed, 1 faults, 2 it could not be checked (no key, no answer, a state that does not fit).
"""

import argparse
import sys
from contextlib import nullcontext

from app.kernel.errors import Misconfigured
from app.ledger.audit_report import AuditReport, Progress
from app.ledger.checkpoint import VerifierKey
from app.ledger.fetching import open_log
from app.ledger.keys import pinned_keys
from app.ledger.monitor import CannotCheck, Fetch, NotServed, monitor
from app.ledger.monitor_state import MonitorState, open_state
from app.verify_output import ProgressShown, show


def verify_url(options: argparse.Namespace) -> int:
    try:
        vkeys = pinned_keys(options.key)
        if not vkeys:
            raise CannotCheck("without --key there is nothing to check the log against")
        with ProgressShown(is_asked=options.progress) as tell, open_log(options.url) as fetch:
            with nullcontext() if options.state is None else open_state(options.state) as state:
                report = _monitor(fetch, vkeys, state, tell, is_anew=options.all)
    except (CannotCheck, Misconfigured) as error:
        sys.stderr.write(f"exhibit: cannot check {options.url}: {error}\n")
        return 2
    compared = "no earlier run to compare with" if options.state is None else f"compared with {options.state}"
    return show(
        report, f"{report.leaves} leaves; signed tree {report.size} {report.root}; {compared}", as_json=options.json
    )


def _monitor(
    fetch: Fetch, vkeys: list[VerifierKey], state: MonitorState | None, tell: Progress, *, is_anew: bool
) -> AuditReport:
    try:
        note = fetch("checkpoint")
    except NotServed as error:
        raise CannotCheck("there is no /checkpoint: not the address of a log") from error
    if state is None:
        return monitor(fetch, note, vkeys, progress=tell)
    if is_anew:
        state.forget_progress()
    report = monitor(
        fetch,
        note,
        vkeys,
        kept=state.kept(vkeys),
        done=state.load(),
        save=state.save,
        seen=lambda signed, is_conflict: state.keep(note, signed, is_conflict=is_conflict),
        progress=tell,
    )
    if report.is_sound:
        state.forget_before(report.size)
    return report
