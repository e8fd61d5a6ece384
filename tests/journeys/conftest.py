"""One product for all tests of a journey: a journey is one organisation's work, not a fresh start per step."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.journey import api_of, close
from tests.support.product import start_product


@pytest.fixture(scope="module")
def hub(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[Api]:
    """``exhibit serve`` with all its processes; a module's ``SETTINGS`` are its environment."""
    database = create_database(postgres)
    data: Path = tmp_path_factory.mktemp("journey") / "exhibit-data"
    product = start_product(data, database, **getattr(request.module, "SETTINGS", {}))
    api = api_of(product)
    yield api
    close(api)
    product.stop()
    with postgres.administration() as owner:
        drop_database(owner, database.name)
