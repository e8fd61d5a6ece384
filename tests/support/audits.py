"""A log to check, and one that was tampered with."""

from pathlib import Path

from sqlalchemy import Engine, text

from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey

DAY_S = 86_400


def publish(key: VerifierKey, data: Path) -> Settings:
    (data / "published").mkdir(parents=True, exist_ok=True)
    (data / "published" / "log.vkey").write_text(key.encode())
    return Settings(data=data, audit_period_s=DAY_S)


def forge(owning: Engine) -> None:
    """As a superuser does, past every trigger."""
    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE ledger_entries SET actor_id = gen_random_uuid() WHERE seq = 3 AND type = 'evidence.viewed'")
        )
