"""The API as a process serves it, in a thread of the test: real sockets, real database, real files."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import State

from app.access import service as access
from app.access import tokens
from app.access.actors import authenticate
from app.access.rules import Role, Scope
from app.cases import service as cases
from app.kernel.database import open_engine, session_factory
from app.kernel.settings import Settings
from app.ledger import log
from app.main import build_app, open_services
from app.unit_of_work import unit_of_work
from tests.support.databases import TestDatabase
from tests.support.plain_http import PlainTransport

PASSWORD = "correct horse battery staple"

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Tests speak plain HTTP: a client of their own would each time read this machine's certificates (25 ms)."""


def open_client(base_url: str, token: str | None = None, *, timeout_s: float = 30) -> httpx.Client:
    """A client of one server that sends the token, if any, and nothing from this machine's environment."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = PlainTransport(lambda: httpx.HTTPTransport(verify=NO_TLS, trust_env=False))
    return httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, transport=transport, trust_env=False)


def email_of(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@hub.example"


@dataclass
class Person:
    """Someone who calls the API: an account, and a client that sends its token."""

    id: str
    name: str
    token: str
    http: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.http.put(path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.http.delete(path, **options)

    def change(self, path: str, version_of: str, method: str = "POST", **options: Any) -> httpx.Response:
        """A change with the If-Match of what stands at ``version_of`` now."""
        etag = self.http.get(version_of).headers["ETag"]
        return self.http.request(method, path, headers={"If-Match": etag}, **options)


@dataclass
class Api:
    """A running API with its administrator; ``person`` adds people."""

    base_url: str
    settings: Settings
    app: Any
    admin: Person
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(self, token: str | None = None) -> httpx.Client:
        """A client that sends the token; closed with the API."""
        made = open_client(self.base_url, token)
        self._clients.append(made)
        return made

    def person(self, name: str) -> Person:
        """A new account with a token made by the administrator (no password: hashing one is slow on purpose).

        Where the app is at hand its services are called, as the routes call them: a tenth of two requests' time.
        """
        if self.app is None:
            return self._person_over_http(name)
        with unit_of_work(self.app.state.services.sessions) as uow:
            admin = authenticate(uow.session, self.admin.token)
            account = access.create_account(uow, admin, name=name, email=email_of(name))
            _, secret = tokens.create_token(
                uow, admin, account_id=account.id, name="test", scopes=[Scope.READ, Scope.WRITE, Scope.CONTENT],
                cases=None, roles=None, ttl_s=self.settings.token_ttl_s,
            )  # fmt: skip
            uow.commit()
        return Person(str(account.id), name, secret, self.client(secret))

    def _person_over_http(self, name: str) -> Person:
        account = self.admin.post("/v1/users", json={"name": name, "email": email_of(name)})
        assert account.status_code == 201, account.text
        account_id = account.json()["id"]
        scopes = ["read", "write", "content"]
        token = self.admin.post("/v1/tokens", json={"name": "test", "scopes": scopes, "account_id": account_id})
        assert token.status_code == 201, token.text
        secret = token.json()["token"]
        return Person(account_id, name, secret, self.client(secret))

    def signed_in(self, name: str) -> Person:
        """A new account with a password, signed in with it."""
        account = self.admin.post("/v1/users", json={"name": name, "email": email_of(name), "password": PASSWORD})
        assert account.status_code == 201, account.text
        session = self.client().post("/v1/sessions", json={"email": email_of(name), "password": PASSWORD})
        assert session.status_code == 201, session.text
        token = session.json()["token"]
        return Person(account.json()["id"], name, token, self.client(token))

    def case(self, coordinator: Person, **members: tuple[Person, ...]) -> str:
        """A case's id; ``members`` by role, such as ``verifier=(olena, petro)``. Made as people are."""
        if self.app is None:
            return self._case_over_http(coordinator, members)
        with unit_of_work(self.app.state.services.sessions) as uow:
            admin = authenticate(uow.session, self.admin.token)
            case = cases.create_case(
                uow, admin, title="Strikes, July", description=None, coordinator_id=UUID(coordinator.id)
            )
            uow.session.flush()
            granting = authenticate(uow.session, coordinator.token)
            for role, people in members.items():
                for member in people:
                    cases.grant_role(uow, granting, case.id, account_id=UUID(member.id), role=Role(role))
                    uow.session.flush()
            uow.commit()
        return str(case.id)

    def _case_over_http(self, coordinator: Person, members: Mapping[str, tuple[Person, ...]]) -> str:
        made = self.admin.post("/v1/cases", json={"title": "Strikes, July", "coordinator_id": coordinator.id})
        assert made.status_code == 201, made.text
        case_id: str = made.json()["id"]
        for role, people in members.items():
            for member in people:
                granted = coordinator.put(f"/v1/cases/{case_id}/members/{member.id}/{role}")
                assert granted.status_code == 200, granted.text
        return case_id


TOKEN_TTL_S = 3 * 3600
"""A run of all tests is over before."""

built_app = cache(build_app)
"""The app without services, to be read only; its document is made once, too (0.5 s)."""


def _app(settings: Settings) -> FastAPI:
    """As ``create_app`` makes it, but the routes are built once for a test process (0.1 s); services are its own."""
    app = copy(built_app(cors_origins=settings.cors_origins))
    app.state = State({"services": open_services(settings)})
    return app


def administer(database: TestDatabase) -> str | None:
    """Give a database its log and its first administrator, whose token it answers; None: it has one already."""
    engine = open_engine(database.app_url, pool_size=1)
    with unit_of_work(session_factory(engine)) as uow:
        log.initialise(uow.session, None)
        secret = access.bootstrap_administrator(uow, ttl_s=TOKEN_TTL_S)
        uow.commit()
    engine.dispose()
    return secret


TICK_S = 1.0
"""How often an answer's Date is made anew."""


class PromptServer(uvicorn.Server):
    """Starts and ends when told: uvicorn's own looks ten times a second whether it is to end, and then gives every
    connection a tenth more. In a suite that serves a thousand APIs that were two minutes of waiting.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.began = threading.Event()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """From another thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)  # The answers' Date, as each second.
        self.began.set()
        while not self._end.is_set():
            try:
                await asyncio.wait_for(self._end.wait(), TICK_S)
            except TimeoutError:
                await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.001)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


def _await_index(app: FastAPI) -> None:
    """What the start reads beside the first request would need a second connection: 20 ms until it knows the tables."""
    services, deadline = app.state.services, time.monotonic() + TICK_S
    pool = services.sessions.kw["bind"].pool
    while services.adopter.standing is None or pool.checkedout():
        if time.monotonic() > deadline:  # Nothing is ever found where the database fails.
            return
        time.sleep(0.001)


def _account_of(app: FastAPI, secret: str) -> str:
    with app.state.services.sessions() as session:
        return str(authenticate(session, secret).account_id)


@contextmanager
def running_api(
    database: TestDatabase, data: Path, *, admin_token: str | None = None, **settings: Any
) -> Iterator[Api]:
    """Serve the API on a free port of this machine until the block ends.

    ``admin_token``: the administrator's, of a database that has one already.
    """
    made = Settings(app_database_url=database.app_url, data=data, database_pool_size=10, **settings)
    app = _app(made)
    secret = database.admin_token or administer(database) or admin_token
    assert secret is not None
    server = PromptServer(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.began.wait(0.5):
        assert thread.is_alive(), "the server did not start"
    _await_index(app)
    port = server.servers[0].sockets[0].getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    client = open_client(base_url, secret)
    api = Api(base_url, made, app, Person(_account_of(app, secret), "Administrator", secret, client))
    try:
        yield api
    finally:
        for opened in (client, *api._clients):
            opened.close()
        server.end()
        thread.join(timeout=10)
