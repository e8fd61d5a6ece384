"""What one test process made, such as an encoded recording, for all processes of the run."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import ParamSpec, cast

RUN_DIRECTORY = "EXHIBIT_TEST_RUN_DIRECTORY"
"""How pytest-xdist's workers, which inherit the environment, find the directory of the run."""

Arguments = ParamSpec("Arguments")


def kept(make: Callable[Arguments, bytes]) -> Callable[Arguments, bytes]:
    """Remember by the arguments, which their representations must tell apart, what was made: in a file of the run.

    Of two processes that begin at once both make it; the bytes are the same. Outside a run a process remembers its own.
    """

    @cache
    @wraps(make)
    def remembered(*args: Arguments.args, **options: Arguments.kwargs) -> bytes:
        run = os.environ.get(RUN_DIRECTORY)
        if run is None:
            return make(*args, **options)
        told = repr((make.__module__, make.__qualname__, args, sorted(options.items())))
        file = Path(run, "kept", hashlib.sha256(told.encode()).hexdigest())
        if file.exists():
            return file.read_bytes()
        made = make(*args, **options)
        file.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "wb") as partial:
            partial.write(made)
        Path(name).rename(file)
        return made

    return cast(Callable[Arguments, bytes], remembered)
