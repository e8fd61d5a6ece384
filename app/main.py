"""The HTTP composition root: settings → engine, blobs, keys → routers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from app import __version__
from app.anchors.configuration import read_policy
from app.api import problems
from app.api.directory import Directory
from app.api.docs import install_docs
from app.api.headers import declare_headers
from app.api.http import Input, Public, Requires, Services
from app.api.middleware import BoundedBody, RequestFrame
from app.api.routers import ROUTERS
from app.api.waiting import CheckpointWatch
from app.blobs.local import LocalBlobStore
from app.fingerprints.following import FollowingIndex
from app.fingerprints.similar import SEARCHABLE
from app.fingerprints.similar_files import QueryFiles
from app.fingerprints.similar_index import LOOK_EVERY_S, Adopter
from app.kernel.database import open_engine, session_factory
from app.kernel.private_files import read_or_create_secret
from app.kernel.settings import Settings
from app.vault.sealing import VaultKey

DESCRIPTION = """\
Evidence-verification case management: originals are preserved, fingerprinted and compared; findings, verdicts, reviews
and every view are entries in a signed custody ledger that an auditor can check offline.

All times are UTC (RFC 3339). Errors are problem details (RFC 9457) with a stable `code`. Lists are paged by cursor.
Changes need `If-Match` with the `ETag` that you read; creating requests may carry an `Idempotency-Key`.
"""
EXPOSED_HEADERS = (
    *("ETag", "Link", "Location", "Retry-After", "X-Request-Id", "Idempotency-Replayed"),
    *("Content-Disposition", "Content-Range", "Repr-Digest"),
)
"""What a front end on another origin may read of an answer, beyond what every browser shows it."""


class UndeclaredAccess(RuntimeError):
    """A route has no access rule, or more than one: the API does not start."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API on the application's database role, ready to serve."""
    settings = settings or Settings()
    app = build_app(cors_origins=settings.cors_origins)
    app.state.services = open_services(settings)
    return app


def open_services(settings: Settings) -> Services:
    """What the routes work with; :func:`lifespan` closes it. Raises RuntimeError without the role's address."""
    if settings.app_database_url is None:
        raise RuntimeError("EXHIBIT_APP_DATABASE_URL is not set: start the API with `exhibit serve` or `exhibit api`")
    engine = open_engine(settings.app_database_url, pool_size=settings.database_pool_size)
    sessions = session_factory(engine)
    index = FollowingIndex(SEARCHABLE)
    return Services(
        settings=settings,
        sessions=sessions,
        blobs=open_blobs(settings.data),
        packages=LocalBlobStore(settings.data / "packages"),
        url_key=read_or_create_secret(settings.data / "secrets" / "url-key").encode("ascii"),
        vault_key=VaultKey(bytes.fromhex(read_or_create_secret(settings.data / "secrets" / "vault-key"))),
        checkpoints=CheckpointWatch(sessions),
        witness_policy=read_policy(settings),
        index=index,
        query_files=QueryFiles(settings.data / "similar"),
        adopter=Adopter(index, settings.data / "index"),
        threads=CapacityLimiter(min(settings.request_threads, settings.database_pool_size)),
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """From the first request to the last: the services that ``app.state`` holds."""
    services: Services = app.state.services
    # A thread that waits for a connection would hold the event loop's queue: as many threads as connections.
    to_thread.current_default_thread_limiter().total_tokens = services.settings.database_pool_size
    ending = asyncio.Event()
    following = asyncio.create_task(_follow_index(services, ending))
    yield
    ending.set()  # Not cancelled: its thread would go on with a connection that nobody closes.
    await asyncio.wait([following])
    await services.checkpoints.end()
    services.sessions.kw["bind"].dispose()


async def _follow_index(services: Services, ending: asyncio.Event) -> None:
    """From the start on and now and then: the file of the index is taken as soon as it is there, not by a request."""
    while not ending.is_set():
        await to_thread.run_sync(services.adopter.look, services.sessions)
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), LOOK_EVERY_S)


def open_blobs(data: Path) -> LocalBlobStore:
    return LocalBlobStore(data / "blobs")


def build_app(*, cors_origins: tuple[str, ...] = ()) -> FastAPI:
    """The routes without their services: enough to generate the OpenAPI document."""
    app = FastAPI(
        title="Exhibit",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # A redirect would send the token, and a body, to an address made from the request's Host.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in ROUTERS:
        app.include_router(router)
    install_docs(app)
    app.router.middleware_stack = Directory(app.router.middleware_stack, api_routes(app))
    problems.install(app)
    app.add_middleware(BoundedBody)
    # The frame inside, so that a browser may read its 500 and the request's id.
    app.add_middleware(RequestFrame, answer_unexpected=problems.answer_unexpected)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "If-Match", "Idempotency-Key", "Prefer", "Range"],
            expose_headers=EXPOSED_HEADERS,
        )
    require_declared_access(app)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def api_routes(app: FastAPI) -> Iterator[APIRoute]:
    """Every operation of the app, those of its routers included."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context.original_route


def access_rules(route: APIRoute) -> list[Requires | Public]:
    """The access rules that a route declares, wherever in its dependencies."""
    found: list[Requires | Public] = []
    pending = list(route.dependant.dependencies)
    while pending:
        dependant = pending.pop()
        if isinstance(dependant.call, (Requires, Public)):
            found.append(dependant.call)
        pending.extend(dependant.dependencies)
    return found


def require_declared_access(app: FastAPI) -> None:
    """Deny by default: raises UndeclaredAccess unless every operation declares exactly one rule."""
    for route in api_routes(app):
        if len(access_rules(route)) != 1:
            raise UndeclaredAccess(f"{route.name} ({route.path}) must declare exactly one access rule")


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with each operation's access rule as ``x-access`` and its error shape in place."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _restore_examples(schemas, Input)
    schemas["FieldProblem"] = problems.FieldProblem.model_json_schema(ref_template="#/components/schemas/{model}")
    problem_schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    problem_schema.pop("$defs", None)
    schemas["Problem"] = problem_schema
    for route in api_routes(app):
        if route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["x-access"] = str(access_rules(route)[0].operation)
                _use_problem_shape(operation)
                if "requestBody" in operation:  # BoundedBody's, and an upload's own.
                    operation["responses"] |= {str(k): v for k, v in problems.problem_responses(408, 413).items()}
                declare_headers(document, operation)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    app.openapi_schema = document
    return document


def _restore_examples(schemas: dict[str, Any], shape: type[Input]) -> None:
    """FastAPI leaves out whatever is null, of examples too: of a body that must say null, one that would be refused."""
    for below in shape.__subclasses__():
        stated = below.model_config.get("json_schema_extra")
        if below.__name__ in schemas and isinstance(stated, dict) and "examples" in stated:
            schemas[below.__name__]["examples"] = jsonable_encoder(stated["examples"])
        _restore_examples(schemas, below)


def _use_problem_shape(operation: dict[str, Any]) -> None:
    """FastAPI documents its own 422 shape; ours is a problem like every other error."""
    unusable = operation["responses"].get("422")
    if unusable is not None and "application/problem+json" not in unusable.get("content", {}):
        operation["responses"]["422"] = problems.problem_responses(422)[422]
