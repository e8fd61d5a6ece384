"""A worker that is killed after one step of one job: in a process of its own, forked from one that loaded it all."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from app.blobs.local import LocalBlobStore, LocalBlobWriter
from app.job_table import JOBS, Resources
from app.kernel.database import open_engine, session_factory
from app.kernel.settings import Settings
from app.media.jail.decoder import Decoder
from app.worker import Runner, WorkerLimits

Step = Literal["begun", "writing", "worked", "stored", "committed"]
"""``begun``: with the plan made; ``writing``: in the middle of a file on its way into a store."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(app_url: str, data: str, name: str, arguments: dict[str, Any], at: Step) -> None:
    """Never returns: the process ends when the step is done."""
    (job,) = (job for job in JOBS if job.name == name)

    if at == "writing":
        write = LocalBlobWriter.write

        def write_and_die(writer: LocalBlobWriter, chunk: bytes | memoryview) -> None:
            write(writer, chunk)
            if writer.size_bytes > 10_000:
                die()

        setattr(LocalBlobWriter, "write", write_and_die)  # noqa: B010 - of this process, which ends by it

    def work(plan: Any, resources: Any) -> Any:
        if at == "begun":
            die()
        result = job.work(plan, resources)
        if at == "worked":
            die()
        return result

    def store(uow: Any, result: Any) -> Any:
        more = job.store(uow, result)
        uow.session.flush()
        if at == "stored":
            die()
        return more

    settings = Settings(data=Path(data))
    sessions = session_factory(open_engine(app_url, pool_size=2))
    with Decoder() as decoder:
        resources = Resources(settings, LocalBlobStore(settings.data / "blobs"), decoder)
        runner = Runner(sessions, resources, WorkerLimits())
        runner.run(replace(job, work=work, store=store), None, 0, arguments)
        die()
