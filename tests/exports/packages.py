"""Packages as the jobs make them, of the hub's case with files that a store holds, for the tests of exports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from app.access.actors import Actor
from app.blobs.local import LocalBlobStore
from app.consent.rules import ConsentScope
from app.exports import export_jobs, export_service
from app.exports.export_service import ExportAsked, ExportScope
from app.exports.models import Export
from app.kernel.primitives import Sha256Hex
from app.kernel.settings import Settings
from app.unit_of_work import unit_of_work
from app.worker import Runner, WorkerLimits
from tests.exports.custody_cases import Hub, open_hub
from tests.support.databases import TestDatabase

JOBS = {job.name: job for job in export_jobs.JOBS}


@dataclass(frozen=True)
class Stores:
    """What the jobs are handed: settings and two stores below one directory."""

    settings: Settings
    blobs: LocalBlobStore
    packages: LocalBlobStore

    def limited(self, inline_leaves_up_to: int) -> "Stores":
        return replace(self, settings=self.settings.model_copy(update={"inline_leaves_up_to": inline_leaves_up_to}))

    def with_blobs(self, directory: Path) -> "Stores":
        return replace(self, blobs=LocalBlobStore(directory))


@dataclass(frozen=True)
class PackageHub:
    """A hub whose three items have labelled files in a store, so that they may go with a package."""

    hub: Hub
    stores: Stores

    def ask(self, scope: ExportScope = "case", *ids: UUID, actor: Actor | None = None, **asked: Any) -> UUID:
        """An export that waits for its jobs; its id."""
        wanted: dict[str, Any] = {
            "media": False,
            "opens": frozenset(),
            "purpose": "audit",
            "reason": None,
            "audience": ConsentScope.LEGAL_PROCEEDINGS,
            **asked,
        }
        with unit_of_work(self.hub.sessions) as uow:
            chosen = ids or (self.hub.case_id,)
            export = export_service.request_export(
                uow, actor or self.hub.coordinator, ExportAsked(scope, chosen, **wanted)
            )
            export_id = export.id
            uow.commit()
        return export_id

    def run(self, name: str, export_id: UUID) -> None:
        Runner(self.hub.sessions, self.stores, WorkerLimits()).run(JOBS[name], None, 0, {"export_id": str(export_id)})

    def export(self, export_id: UUID) -> Export:
        with self.hub.sessions() as session:
            found = session.get(Export, export_id)
            assert found is not None
            return found

    def make(self, scope: ExportScope = "case", *ids: UUID, **asked: Any) -> bytes:
        """The finished zip."""
        export_id = self.ask(scope, *ids, **asked)
        self.run("build_export", export_id)
        self.run("finish_export", export_id)
        return self.content(export_id)

    def content(self, export_id: UUID) -> bytes:
        digest = self.export(export_id).package_sha256
        assert digest is not None
        return b"".join(self.stores.packages.read_range(Sha256Hex(digest)))


CONTENTS = tuple(bytes([number]) * 1000 for number in (1, 2, 3))


@contextmanager
def open_packages(database: TestDatabase, data: Path, contents: Sequence[bytes] = CONTENTS) -> Iterator[PackageHub]:
    blobs = LocalBlobStore(data / "blobs")
    for content in contents:
        with blobs.begin() as writer:
            writer.write(content)
            writer.commit()
    with open_hub(database, contents) as hub:
        settings = Settings(data=data, checkpoint_wait_s=20)
        yield PackageHub(hub, Stores(settings, blobs, LocalBlobStore(data / "packages")))
