"""Engines: which of its connections a pool gives."""

from sqlalchemy import Engine, text


def test_connection_when_several_are_free_then_the_one_used_last_is_given(engine: Engine) -> None:
    process = text("SELECT pg_backend_pid()")
    with engine.connect() as first, engine.connect() as last:
        used_last = last.scalar(process)
        first.close()
    for _ in range(3):
        with engine.connect() as next_one:
            assert next_one.scalar(process) == used_last
