"""``exhibit``: every process and every operator's command. Production runs api, worker and integrator one by one."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.bootstrap import prepare
from app.daemons import run_api, run_integrator, run_job_worker
from app.exports.verifier import verify_custody
from app.kernel.errors import Misconfigured
from app.kernel.logs import configure_logs
from app.kernel.settings import Settings
from app.ledger_command import verify_ledger
from app.processes import follow_parent
from app.serve import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 found faults, 2 misconfigured."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        return command(settings, options)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="exhibit", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, what: str, command: Callable[[Settings, argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(command=command)
        return added

    add("serve", "Set everything up and run API, worker and integrator until Ctrl-C.", _serve)
    add("migrate", "Bring the database to this release: schema, roles, the log's identity.", _migrate)
    add("create-admin", "Create the first administrator, when there is no account yet.", _create_admin)
    api = add("api", "Run the API alone.", _api)
    api.add_argument("--listening-fd", type=int, help=argparse.SUPPRESS)
    daemons = [
        api,
        add("worker", "Run a worker for background jobs alone.", _worker),
        add("integrator", "Run the ledger's integrator alone; it needs the log's signing key.", _integrator),
    ]
    for daemon in daemons:
        daemon.add_argument("--log-file", type=Path, help="Log into this file, rotated, instead of standard error.")
        daemon.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    ledger = commands.add_parser("ledger", help="The custody ledger.").add_subparsers(required=True, metavar="COMMAND")
    what = "Check a custody file offline; without FILE the whole log in the database."
    verify = ledger.add_parser("verify", help=what, description=what)
    verify.set_defaults(command=_verify)
    verify.add_argument("file", nargs="?", type=Path, metavar="FILE")
    verify_custody.add_arguments(verify)
    verify.add_argument("--key", help="The log's pinned public key: its text, or a file that holds it.")
    return parser


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    serve(settings)
    return 0


def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    _prepare_once(settings)
    return 0


def _create_admin(settings: Settings, _: argparse.Namespace) -> int:
    token = _prepare_once(settings)
    if token is None:
        raise Misconfigured("There is an account already: its administrator creates the others.")
    sys.stdout.write(f"{token}\n")
    return 0


def _prepare_once(settings: Settings) -> str | None:
    """Set up as ``serve`` does, and leave an embedded server as it was found; the administrator's token when new."""
    configure_logs()
    installation = prepare(settings)
    if installation.postgres is not None and not installation.postgres.adopted:
        installation.postgres.stop()
    return installation.bootstrap_token


def _api(settings: Settings, options: argparse.Namespace) -> int:
    _begin_daemon(options)
    run_api(settings, listening_fd=options.listening_fd)
    return 0


def _worker(settings: Settings, options: argparse.Namespace) -> int:
    _begin_daemon(options)
    run_job_worker(settings)
    return 0


def _integrator(settings: Settings, options: argparse.Namespace) -> int:
    _begin_daemon(options)
    run_integrator(settings)
    return 0


def _verify(settings: Settings, options: argparse.Namespace) -> int:
    """A file is checked by the same program that auditors run, and needs neither database nor server."""
    if options.file is None:
        return verify_ledger(settings, options)
    return verify_custody.run(
        options.file,
        key=options.key,
        unpinned=options.unpinned,
        as_json=options.json,
        leaves_optional=options.leaves_optional,
    )


def _begin_daemon(options: argparse.Namespace) -> None:
    follow_parent(options.parent)
    configure_logs(options.log_file)


if __name__ == "__main__":
    sys.exit(main())
