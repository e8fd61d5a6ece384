"""Three roles in the database: the owner migrates, the application writes, the integrator signs.

The migrations create the group roles ``exhibit_app`` and ``exhibit_integrator`` and grant rights to them; here each
database gets two login roles that are members of them. Their names follow from the database's name, so several
databases live on one server. The passwords are generated, and the URLs kept in ``secrets/`` (0600): whoever starts
a process of Exhibit needs no password in an argument or an environment variable.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from app.kernel.database import driver_url
from app.kernel.errors import Misconfigured
from app.kernel.private_files import read_secret, write_secret
from app.kernel.settings import Settings

APP_GROUP = "exhibit_app"
INTEGRATOR_GROUP = "exhibit_integrator"
NAME_LIMIT_BYTES = 63
_NAME_TWO_LOGINS = (
    f"create two logins, GRANT {APP_GROUP} to one and {INTEGRATOR_GROUP} to the other, and name them in "
    "EXHIBIT_APP_DATABASE_URL and EXHIBIT_INTEGRATOR_DATABASE_URL."
)


@dataclass(frozen=True)
class RoleUrls:
    """How the application's processes, and the integrator, reach the database."""

    app: str = field(repr=False)
    integrator: str = field(repr=False)


def ensure_login_roles(settings: Settings, owner_url: str) -> RoleUrls:
    """The URLs the operator named, else login roles made (or mended) by the owner; kept below ``secrets/``.

    Raises Misconfigured when the operator named only one, or the owner may not create roles or grant the groups.
    """
    named = (settings.app_database_url, settings.integrator_database_url)
    if named[0] and named[1]:
        urls = RoleUrls(named[0], named[1])
    elif named[0] or named[1]:
        raise Misconfigured("Set both EXHIBIT_APP_DATABASE_URL and EXHIBIT_INTEGRATOR_DATABASE_URL, or neither.")
    else:
        urls = _own_login_roles(settings.data, owner_url)
    check_role(urls.app, APP_GROUP)
    check_role(urls.integrator, INTEGRATOR_GROUP)
    write_secret(_app_url_file(settings.data), urls.app)
    write_secret(_integrator_url_file(settings.data), urls.integrator)
    return urls


def application_url(settings: Settings) -> str:
    """Where the API and the worker connect. Raises Misconfigured before the first set-up."""
    return settings.app_database_url or _kept(_app_url_file(settings.data), "EXHIBIT_APP_DATABASE_URL")


def integrator_url(settings: Settings) -> str:
    """Where the integrator connects. Raises Misconfigured before the first set-up."""
    return settings.integrator_database_url or _kept(
        _integrator_url_file(settings.data), "EXHIBIT_INTEGRATOR_DATABASE_URL"
    )


def login_role(group: str, database: str) -> str:
    """The login role's name: ``<database>_app_login``, within PostgreSQL's limit of 63 bytes."""
    suffix = f"_{group.removeprefix('exhibit_')}_login"
    return database.encode()[: NAME_LIMIT_BYTES - len(suffix)].decode(errors="ignore") + suffix


def ensure_login_role(owner: psycopg.Connection, group: str, database: str, password: str) -> str:
    """A login role of this database with this password, member of the group; its name.

    Raises Misconfigured when the group is another's to grant.
    """
    name = login_role(group, database)
    known = owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    # The password leaves this process only as its SCRAM verifier, so that no server log can hold it.
    verifier = owner.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    statement = "ALTER ROLE {} PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}"
    owner.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(verifier)))
    try:
        owner.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise Misconfigured(
            f"The role of DATABASE_URL, {owner.info.user}, may not grant {group} ({error.diag.message_primary}): from "
            f"PostgreSQL 16 on only the role that made it may. Let the owner make {APP_GROUP} and {INTEGRATOR_GROUP} "
            "itself, as it does on a server that has neither; or, as a superuser, GRANT "
            f"{APP_GROUP}, {INTEGRATOR_GROUP} TO {owner.info.user} WITH ADMIN OPTION; or {_NAME_TWO_LOGINS}"
        ) from error
    return name


def check_role(database_url: str, group: str) -> None:
    """The second wall behind the triggers: a role that could drop them must not serve requests.

    Raises Misconfigured when the role is a superuser, may act as the owner of a table, or is not in its group.
    """
    with psycopg.connect(libpq_url(database_url)) as connection:
        row = connection.execute(
            """
            SELECT current_user, rolsuper,
                   EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)'
                              AND pg_has_role(current_user, c.relowner, 'MEMBER')),
                   EXISTS (SELECT 1 FROM pg_roles g WHERE g.rolname = %s AND pg_has_role(current_user, g.oid, 'USAGE'))
              FROM pg_roles WHERE rolname = current_user
            """,
            [group],
        ).fetchone()
    assert row is not None  # The current user always has its row.
    name, is_superuser, is_owner, is_member = row
    if is_superuser:
        raise Misconfigured(f"The database role {name} is a superuser: Exhibit's processes need an ordinary role.")
    if is_owner:
        raise Misconfigured(f"The database role {name} owns tables: use one that only has the rights of {group}.")
    if not is_member:
        raise Misconfigured(f"The database role {name} lacks rights: GRANT {group} TO {name};")


def described(database_url: str) -> str:
    """Which database it is, for people and without the password: ``exhibit on 127.0.0.1, port 5432``."""
    url = make_url(driver_url(database_url))
    host = url.host or url.query.get("host") or "the local socket"
    port = url.port or url.query.get("port") or 5432
    return f"{url.database or url.username} on {host}, port {port}"


def libpq_url(database_url: str) -> str:
    """The URL as libpq reads it, whatever scheme the operator wrote."""
    return driver_url(database_url).replace("postgresql+psycopg://", "postgresql://", 1)


def _own_login_roles(data_dir: Path, owner_url: str) -> RoleUrls:
    target = make_url(driver_url(owner_url))
    try:
        with psycopg.connect(libpq_url(owner_url)) as owner:
            found = owner.execute("SELECT current_database()").fetchone()
            database = str(found[0]) if found else ""
            app = _login_url(owner, target, APP_GROUP, database, _app_url_file(data_dir))
            integrator = _login_url(owner, target, INTEGRATOR_GROUP, database, _integrator_url_file(data_dir))
    except psycopg.errors.InsufficientPrivilege as error:
        raise Misconfigured(
            f"The role of DATABASE_URL may not create login roles ({error.diag.message_primary}). Give it CREATEROLE, "
            f"or {_NAME_TWO_LOGINS}"
        ) from error
    return RoleUrls(app, integrator)


def _login_url(owner: psycopg.Connection, target: URL, group: str, database: str, kept: Path) -> str:
    """A URL that works: the kept password on the present address, set anew in the database."""
    old = read_secret(kept)
    password = (make_url(old).password if old else None) or secrets.token_hex(32)
    name = ensure_login_role(owner, group, database, password)
    url = target.set(drivername="postgresql", username=name, password=password)
    return url.render_as_string(hide_password=False)


def _kept(file: Path, variable: str) -> str:
    url = read_secret(file)
    if url is None:
        raise Misconfigured(f"{file} is missing: run `exhibit serve` or `exhibit migrate` first, or set {variable}.")
    return url


def _app_url_file(data_dir: Path) -> Path:
    return data_dir / "secrets" / "app-database-url"


def _integrator_url_file(data_dir: Path) -> Path:
    return data_dir / "secrets" / "integrator-database-url"
