"""``exhibit``: every process and every operator's command. Production runs api, worker and integrator one by one."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from pkgutil import resolve_name
from uuid import UUID

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.exports.verifier import verify_custody
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings, unknown_variables

Command = Callable[[Settings, argparse.Namespace], int]
"""What runs a command; it gives the exit status."""

COMMANDS = {
    "serve": "app.serve:serve",
    "migrate": "app.setup_commands:migrate",
    "create-admin": "app.setup_commands:create_admin",
    "api": "app.api_process:run_api",
    "worker": "app.worker_process:run_job_worker",
    "integrator": "app.integrator_process:run_integrator",
    "jobs list": "app.jobs_command:list_jobs",
    "jobs retry": "app.jobs_command:retry_jobs",
    "fingerprints recompute": "app.fingerprints_command:recompute",
    "decodings offer": "app.fingerprints_command:offer",
    "calibrate": "app.calibrate_command:calibrate",
    "ledger verify": "app.ledger_command:verify_ledger",
    "ledger audit-now": "app.ledger_command:audit_now",
    "ledger purge": "app.purge_command:purge_ledger",
    "ledger start-new-log": "app.ledger_operations:start_new_log",
    "ledger accept-database": "app.ledger_operations:accept_database",
    "ledger rotate-key": "app.ledger_operations:rotate_key",
    "ledger anchor-now": "app.anchor_commands:anchor_now",
    "ledger witnesses": "app.anchor_commands:show_witnesses",
    "vault rotate-key": "app.vault_command:rotate_vault_key",
}
"""A command's function, by name: a process imports what its own command needs, and no more (a test loads each)."""

LONG_RUNNING = frozenset({"serve", "api", "worker", "integrator"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 found faults, 2 misconfigured."""
    options = _parser().parse_args(arguments)
    if options.command == "ledger verify" and options.file is not None:
        return _verify_file(options)
    if options.command == "ledger verify" and options.url is not None:
        return _verify_url(options)
    if options.command in LONG_RUNNING and getattr(options, "parent", None) is None:  # A parent has said it already.
        _warn_of_unknown_variables()
    try:
        settings = Settings()
        return _load(options.command)(settings, options)
    except Misconfigured as error:
        sys.stderr.write(f"exhibit: {error}\n")
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]).upper()
            prefix = "" if name == "DATABASE_URL" else "EXHIBIT_"
            sys.stderr.write(f"exhibit: setting {prefix}{name}: {fault['msg']}\n")
    except SettingsError as error:  # What should be JSON is none; the message names the field.
        sys.stderr.write(f"exhibit: {error}. Lists are written as JSON.\n")
    return 2


def _load(name: str) -> Command:
    """With the garbage collector at rest: what an import makes stays; to look through it took a fifth of its time."""
    gc.disable()
    try:
        command: Command = resolve_name(COMMANDS[name])
    finally:
        gc.enable()
    return command


def _warn_of_unknown_variables() -> None:
    """A misspelt setting is one that silently keeps its default. No refusal: a later release may know it, too."""
    for name, near in unknown_variables(os.environ).items():
        hint = f"did you mean {near}?" if near else "docs/deployment.md lists the settings."
        sys.stderr.write(f"exhibit: warning: {name} is no setting and has no effect: {hint}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="exhibit", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(command=name)
        return added

    add("serve", "Set everything up and run API, worker and integrator until Ctrl-C.")
    add("migrate", "Bring the database to this release: schema, roles, the log's identity.")
    add("create-admin", "Create the first administrator, when there is no account yet.")
    api = add("api", "Run the API alone.")
    for of_serve in ("--listening-fd", "--shares-fd", "--share"):
        api.add_argument(of_serve, type=int, help=argparse.SUPPRESS)
    daemons = [
        api,
        add("worker", "Run a worker for background jobs alone."),
        add("integrator", "Run the ledger's integrator alone; it needs the log's signing key."),
    ]
    for daemon in daemons:
        daemon.add_argument("--log-file", type=Path, help="Log into this file, rotated, instead of standard error.")
        daemon.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    ledger = commands.add_parser("ledger", help="The custody ledger.").add_subparsers(required=True, metavar="COMMAND")
    what = (
        "Check a custody file offline; with --url a log's public tiles; without either the whole log in the database."
    )
    verify = ledger.add_parser("verify", help=what, description=what)
    verify.set_defaults(command="ledger verify")
    verify.add_argument("file", nargs="?", type=Path, metavar="FILE")
    verify_custody.add_arguments(verify)
    verify.add_argument("--key", action="append", default=[], help=verify_custody.KEY_HELP)
    verify.add_argument("--url", help="Check the log published at this address, from its public tiles alone.")
    verify.add_argument(
        "--state", type=Path, metavar="DIR", help="With --url: what earlier runs saw, to find a rollback or a fork."
    )
    verify.add_argument(
        "--all", action="store_true", help="With --state: check all leaves anew, not only the new ones."
    )
    verify.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    verify.add_argument("--progress", action="store_true", help="Show progress though standard error is no terminal.")
    what = "Check the whole log in the database now and record the result, as a worker does each period."
    audit = ledger.add_parser("audit-now", help=what, description=what)
    audit.set_defaults(command="ledger audit-now")
    audit.add_argument("--json", action="store_true", help="The report as JSON, as it is kept.")
    audit.add_argument("--progress", action="store_true", help="Show progress though standard error is no terminal.")
    what = "Take what was erased out of the database's files too: dead rows, statistics, the write-ahead log."
    purge = ledger.add_parser("purge", help=what, description=what)
    purge.set_defaults(command="ledger purge")
    _add_jobs(commands.add_parser("jobs", help="Background jobs that failed."))
    _add_fingerprints(commands)
    _add_anchors(ledger)
    _add_operations(ledger)
    what = "Change the key under which the identities of sources are sealed; cut off, it is repeated."
    vault = commands.add_parser("vault", help="Who sources are, sealed.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    vault.add_parser("rotate-key", help=what, description=what).set_defaults(command="vault rotate-key")
    return parser


def _add_operations(ledger: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "After a restore that lost signed entries: end the halted log, and begin another one that continues it."
    new_log = ledger.add_parser("start-new-log", help=what, description=what)
    new_log.set_defaults(command="ledger start-new-log")
    new_log.add_argument("--the-old-log-ends", action="store_true", help="That you know that it cannot be undone.")
    new_log.add_argument("--reason", required=True, help="What happened; it is sealed in the new log's first entry.")
    new_log.add_argument("--origin", help="The new log's name; else the first one's with a number: …/2.")
    what = "End the log though this database lacks nothing of it: its key is lost, or others hold a head it never had."
    new_log.add_argument("--halt", action="store_true", help=what)
    what = "Begin the record of signed trees (ledger/log.signed) anew after it was lost."
    accept = ledger.add_parser("accept-database", help=what, description=what)
    accept.set_defaults(command="ledger accept-database")
    accept.add_argument("--nothing-is-missing", action="store_true", help="That the database is no older backup.")
    what = "Make a new signing key, which signs beside the present one until --finish."
    rotate = ledger.add_parser("rotate-key", help=what, description=what)
    rotate.set_defaults(command="ledger rotate-key")
    rotate.add_argument("--finish", action="store_true", help="Retire the former key: the new one signs alone.")


def _add_anchors(ledger: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "Have the newest head time-stamped now, and wait for the stamps."
    anchor = ledger.add_parser("anchor-now", help=what, description=what)
    anchor.set_defaults(command="ledger anchor-now")
    anchor.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="How long to wait (60).")
    what = "How it stands with each witness; exit status 1 when one contradicts the log."
    witnesses = ledger.add_parser("witnesses", help=what, description=what)
    witnesses.set_defaults(command="ledger witnesses")
    witnesses.add_argument("--retry", metavar="NAME", help="Ask this one again, also after an alarm.")


def _add_fingerprints(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fingerprints = commands.add_parser("fingerprints", help="What files are compared by.")
    what = "Take from every stored file what it lacks since a rule changed; stopped at any moment, it goes on."
    recompute = fingerprints.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "recompute", help=what, description=what
    )
    recompute.set_defaults(command="fingerprints recompute")
    recompute.add_argument("--status", action="store_true", help="Only show how many files lack which rule.")
    recompute.add_argument("--window", type=_count, default=100, metavar="N", help="Files queued at a time (100).")
    recompute.add_argument("--at-once", type=_count, default=1, metavar="N", help="Files decoded at the same time (1).")
    what = "Measure on your own files what each threshold finds, and finds wrongly; nothing is sent anywhere."
    calibrate = commands.add_parser("calibrate", help=what, description=what)
    calibrate.set_defaults(command="calibrate")
    what = "Originals; copies in subdirectories named like them (of none: in unrelated), or told by copies.csv."
    calibrate.add_argument("directory", type=Path, metavar="DIR", help=what)
    calibrate.add_argument("--out", type=Path, default=Path("exhibit-calibration"), help="Where the results go.")
    calibrate.add_argument("--most", type=_count, default=100, metavar="N", help="At most so many originals (100).")
    what = "Where no copies are told: edits are made of so many originals (20)."
    calibrate.add_argument("--edits-of", type=_count, default=20, metavar="N", help=what)
    what = "Offer stored items for decoding again, after an update of the decoder or a change of limits."
    offer = (
        commands.add_parser("decodings", help="What decoding stored files gave.")
        .add_subparsers(required=True, metavar="COMMAND")
        .add_parser("offer", help=what, description=what)
    )
    offer.set_defaults(command="decodings offer")
    offer.add_argument("--outcome", action="append", default=[], help="Whose last decoding ended so; may be repeated.")
    offer.add_argument("--case", type=UUID, metavar="ID", help="Only the items of this case.")
    what = "Only what another decoder, or one under other limits, decoded last."
    offer.add_argument("--decoder-changed", action="store_true", help=what)
    what = "Only what was decoded last before this time (now), with its zone."
    offer.add_argument("--decoded-before", type=_moment, metavar="TIME", help=what)
    offer.add_argument("--batch", type=_count, default=100, metavar="N", help="Items in one transaction (100).")


def _count(text: str) -> int:
    """Raises ArgumentTypeError, whose text argparse shows (of a ValueError it shows this function's name)."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _moment(text: str) -> datetime:
    """Raises ArgumentTypeError, whose text argparse shows."""
    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with its zone, such as 2026-01-31T12:00:00+00:00")
    return found


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    jobs = parser.add_subparsers(required=True, metavar="COMMAND")
    what = "List the jobs that ended as failed; exit status 1 when there are any."
    jobs.add_parser("list", help=what, description=what).set_defaults(command="jobs list")
    what = "Put failed jobs back into the queue, with all their tries before them."
    retry = jobs.add_parser("retry", help=what, description=what)
    retry.set_defaults(command="jobs retry")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("job", nargs="*", type=int, default=[], metavar="ID", help="As `exhibit jobs list` shows it.")
    which.add_argument("--all", action="store_true", help="Every failed job.")


def _verify_url(options: argparse.Namespace) -> int:
    """A published log is checked from outside: with neither settings nor a database."""
    monitoring: Callable[[argparse.Namespace], int] = resolve_name("app.monitor_command:verify_url")
    return monitoring(options)


def _verify_file(options: argparse.Namespace) -> int:
    """A file is checked by the same program that auditors run, and needs neither settings, database nor server."""
    return verify_custody.run(
        options.file,
        keys=options.key,
        unpinned=options.unpinned,
        as_json=options.json,
        leaves_optional=options.leaves_optional,
        policy=options.policy,
        continued_by=options.continued_by,
    )


if __name__ == "__main__":
    sys.exit(main())
