"""The integrator as its process runs it, in a thread of the test: keys, record and published key in files."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from app.integrator_process import command_signer
from app.kernel.settings import Settings
from app.ledger import integrator
from app.ledger.keys import VKEY_NAME, KeyDirectory, published_directory
from app.ledger.record import RECORD_NAME, SignedRecord
from tests.support.databases import TestDatabase


@contextmanager
def integrating_with_files(database: TestDatabase, data: Path) -> Iterator[None]:
    """From when the log has a published key."""
    stop = threading.Event()
    settings = Settings(data=data, app_database_url=database.app_url, integrator_database_url=database.integrator_url)
    keys = KeyDirectory(data / "ledger", published_directory(data), command_signer(settings))
    record = SignedRecord(data / "ledger" / RECORD_NAME)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(integrator.run, database.integrator_url, keys, 0.02, stop, record=record)
        try:
            while not (published_directory(data) / VKEY_NAME).exists():
                assert not running.done(), running.exception()
                time.sleep(0.01)
            yield
        finally:
            stop.set()
        running.result()
