"""Every kind of background job, and what their ``work`` functions are given: the worker's composition."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.jobs import Job
from app.kernel.settings import Settings

JOBS: tuple[Job, ...] = ()


@contextmanager
def open_resources(settings: Settings) -> Iterator[Settings]:
    """What ``work`` receives as its second argument, for the worker's lifetime."""
    yield settings
