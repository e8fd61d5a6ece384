"""Every number and place an operator may change, in one frozen object, read from ``EXHIBIT_*`` once at start."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Settings by environment: ``EXHIBIT_DATA``, ``EXHIBIT_PORT`` …; ``DATABASE_URL`` keeps its customary name."""

    model_config = SettingsConfigDict(env_prefix="EXHIBIT_", frozen=True, extra="ignore")

    data: Path = Field(Path("exhibit-data"), description="Where blobs, keys and the embedded database live.")
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on.")
    api_processes: int = Field(2, ge=1, description="API processes under `exhibit serve`, sharing one port.")

    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    app_database_url: str | None = None
    integrator_database_url: str | None = None
    database_pool_size: int = Field(20, ge=2, description="Connections of one API process.")
    request_threads: int = Field(4, ge=1, description="Requests that one API process works on at once; others queue.")

    log_origin: str | None = Field(None, description="The ledger's name; fixed by the first start for ever.")
    checkpoint_period_s: float = Field(0.2, gt=0, le=1)
    signer_command: str | None = Field(None, description="A program that signs in place of the key's file.")
    signer_public_key: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="The program's key: 32 bytes.")
    checkpoint_wait_s: float = Field(10.0, gt=0, description="How long a request waits for a checkpoint.")
    inline_leaves_up_to: int = Field(200_000, description="Custody files of larger logs carry only their own leaves.")

    audit_period_s: int = Field(86400, ge=0, description="The whole log is checked so often by itself; 0: never.")

    session_ttl_s: int = Field(8 * 3600, description="How long a password sign-in lasts.")
    token_ttl_s: int = Field(365 * 86400, description="The longest life of a token.")
    signed_url_ttl_s: int = Field(300, ge=1, le=300)
    sign_in_attempts_per_15_min: int = Field(10, ge=1)

    upload_max_bytes: int = Field(20 * 1024 * MIB, description="The largest file taken.")
    free_space_reserve_bytes: int = Field(512 * MIB, description="Uploads and packages stop (507) before less is free.")
    receive_timeout_s: float = Field(60.0, description="An upload that sends nothing for this long is cut off.")

    search_wait_s: float = Field(5.0, ge=0, le=30, description="A search by a file is waited for, unless it says more.")

    orphan_grace_s: int = Field(86400, ge=3600, description="A stored file without a row is left alone for this long.")
    orphans_kept_s: int = Field(30 * 86400, ge=86400, description="Then it is set aside, and kept for this long.")

    packages_kept_days: int = Field(
        30, ge=0, description="A finished package is removed after so many days, unless it was released; 0: never."
    )

    stop_list_sources: int = Field(
        8, ge=2, description="A frame in so many unrelated videos is proposed for the stop list."
    )
    stop_list_uploaders: int = Field(3, ge=1, description="And only if so many people uploaded them.")

    lease_ttl_s: int = Field(4 * 3600, description="How long a verifier holds an item before others may take it.")
    lease_longest_s: int = Field(24 * 3600, ge=60, description="How long one person holds it by making it longer.")
    self_review: bool = Field(
        False,
        description="Whether, where one person alone may verify in a case, they may review what they declared so.",
    )
    view_window_s: int = Field(15 * 60, description="Repeated views in this time are one entry.")

    decoder_jail: Literal["strict", "degraded"] = Field(
        "strict", description="strict: no decoding where a wall is missing; degraded: decoding goes on, and says so."
    )
    decode_memory_bytes: int = Field(
        2048 * MIB, ge=512 * MIB, le=64 * 1024 * MIB, description="Address space of the process that decodes one file."
    )
    decode_image_cpu_s: int = Field(20, ge=1, le=3600, description="Processor seconds for one picture.")
    decode_video_cpu_s: int = Field(1800, ge=1, le=86400, description="Processor seconds for one video.")
    decode_image_wall_s: float = Field(60.0, ge=1, le=3600, description="Seconds from begin to end for one picture.")
    decode_video_wall_s: float = Field(1800.0, ge=1, le=86400, description="Seconds from begin to end for one video.")
    decode_jpeg_pixels: int = Field(268_000_000, ge=1_000_000, le=4_000_000_000, description="Of one JPEG.")
    decode_image_pixels: int = Field(
        128_000_000, ge=1_000_000, le=4_000_000_000, description="Of one picture of another format."
    )
    decode_video_pixels: int = Field(40_000_000, ge=100_000, le=1_000_000_000, description="Of one frame of a video.")
    decode_video_frames: int = Field(200_000, ge=10, le=10_000_000, description="Frames that are kept of one video.")
    decode_sequence_frames: int = Field(
        256, ge=1, le=100_000, description="Further frames or pages that are kept of one picture's file."
    )
    decode_sequence_pixels: int = Field(
        600_000_000, ge=1_000_000, le=100_000_000_000, description="That are decoded in all for these."
    )
    worker_processes: int = Field(2, ge=1, description="Worker processes under `exhibit serve`.")
    worker_concurrency: int = Field(1, ge=1, description="Jobs that one worker process works on at once.")
    job_attempts: int = Field(4, ge=1, description="After so many tries a job ends as failed.")

    witness_policy: Path | None = Field(None, description="A C2SP tlog-policy file: whose cosignatures count.")
    witness_period_s: float = Field(2.0, gt=0, description="How often witnesses are asked about a new head.")
    witness_wait_s: float = Field(5.0, ge=0, le=30, description="How long a custody file waits for its witnesses.")
    tsa_file: Path | None = Field(None, description="A TOML file: time-stamping authorities and their pinned roots.")
    anchor_period_s: float = Field(3600.0, ge=1, description="A head is time-stamped at most so often.")
    outgoing_timeout_s: float = Field(10.0, gt=0, le=120, description="The whole of one call to a witness or TSA.")

    cors_origins: tuple[str, ...] = ()


PREFIX = "EXHIBIT_"
OF_TESTS = ("EXHIBIT_TEST_", "EXHIBIT_STRESS_", "EXHIBIT_FUZZ_")
"""Variables of tests and benchmarks, which are no settings."""


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Those that look like a setting and are none, each with the setting that is spelt most like it, if any is."""
    settings = [str(field.validation_alias or PREFIX + name.upper()) for name, field in Settings.model_fields.items()]
    known = {setting.removeprefix(PREFIX): setting for setting in settings}
    found: dict[str, str | None] = {}
    for name in sorted(names):
        spelt = name.upper()
        if spelt.startswith(PREFIX) and not spelt.startswith(OF_TESTS):
            rest = spelt.removeprefix(PREFIX)
            if known.get(rest) != spelt:
                near = get_close_matches(rest, known, n=1)
                found[name] = known[near[0]] if near else None
    return found
