"""How an upload's bytes get from the socket into the blob store: receiving and writing overlap, memory is bounded.

The event loop parses the form and hands over chunks of about 1 MiB through a short queue; one thread an upload hashes
and writes them. Nothing of an upload that fails anywhere is kept.
"""

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from starlette.requests import ClientDisconnect, Request

from app.api.upload_form import METADATA_LIMIT_BYTES, UploadForm, UploadIncomplete, WrongParts, boundary_of
from app.blobs.store import BlobStorageFailed, BlobStorageFull, BlobWriter, StoredBlob
from app.kernel.errors import AppError
from app.kernel.primitives import Sha256Hex
from app.kernel.settings import Settings
from app.media.errors import DigestMismatch, FileEmpty
from app.media.service import ReceivedFile
from app.media.sniff import HEAD_BYTES

Metadata = TypeVar("Metadata")

CHUNK_BYTES = 1024 * 1024
CHUNKS_QUEUED = 4
SPACE_CHECKED_EVERY_BYTES = 64 * 1024 * 1024
FORM_OVERHEAD_BYTES = METADATA_LIMIT_BYTES + 16 * 1024
"""The most that boundaries, part headers and metadata add to a file."""
OPEN_UPLOADS_PER_TOKEN = 32
"""In one API process. Each open upload has a thread, a file and a few MiB."""

_open_uploads: Counter[UUID] = Counter()
"""By token; used on the event loop only."""


class FileTooLarge(AppError):
    code = "file_too_large"
    status = 413
    title = "The file is larger than this server takes"


class UploadTimedOut(AppError):
    code = "upload_timed_out"
    status = 408
    title = "The upload stalled"


class UnsupportedContentEncoding(AppError):
    code = "unsupported_content_encoding"
    status = 415
    title = "Send the body as it is, without Content-Encoding"


class TooManyUploads(AppError):
    code = "too_many_uploads"
    status = 429
    title = "Too many uploads are open with this token"
    advice = "Wait for one of your uploads to end, then send this one again."


class StorageFull(AppError):
    code = "storage_full"
    status = 507
    title = "There is no room for this file"


class StorageFailed(AppError):
    code = "storage_failed"
    status = 503
    title = "The storage did not take the file"
    advice = "Send the file again: nothing of it was kept. If it fails again, tell the operator."


@dataclass(frozen=True)
class Upload(Generic[Metadata]):
    """A complete upload: the metadata as the route understood it, and the durable file."""

    metadata: Metadata
    file: ReceivedFile


class Destination(Protocol):
    """Where a file goes: a blob store, or a place for one that is not kept."""

    def begin(self) -> BlobWriter:
        """Raises BlobStorageFailed."""

    def free_bytes(self) -> int: ...


class FileReceiver:
    """The way of one file into the store. Leaving ``async with`` without :meth:`finish` throws the file away."""

    def __init__(self, blobs: Destination, reserve_bytes: int) -> None:
        self._blobs = blobs
        self._reserve_bytes = reserve_bytes
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(CHUNKS_QUEUED)
        self._chunks: queue.SimpleQueue[bytearray | Callable[[BlobWriter], None] | None] = queue.SimpleQueue()
        self._outcome: Future[StoredBlob] = Future()
        self._thread = threading.Thread(target=self._write, name="upload", daemon=True)

    async def __aenter__(self) -> "FileReceiver":
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._chunks.put(None)
        # The writer must have let go before the request ends; it is never more than the queue's few chunks behind.
        await asyncio.shield(asyncio.to_thread(self._thread.join))

    async def put(self, chunk: bytearray) -> None:
        """Hands over a chunk as soon as there is room for it. Raises what stopped the writer."""
        await self._room.acquire()
        if self._outcome.done():
            self._outcome.result()
        self._chunks.put(chunk)

    async def finish(self, expected_sha256: str | None) -> StoredBlob:
        """The durable blob. Raises FileEmpty, DigestMismatch, StorageFull, StorageFailed."""

        def check(writer: BlobWriter) -> None:
            if writer.size_bytes == 0:
                raise FileEmpty("The part 'file' is empty.")
            if expected_sha256 is not None and writer.digest() != expected_sha256:
                raise DigestMismatch(
                    "The bytes that arrived have another SHA-256 than 'expected_sha256'. Send the file again.",
                    extra={"expected_sha256": expected_sha256, "received_sha256": writer.digest()},
                )

        self._chunks.put(check)
        return await asyncio.wrap_future(self._outcome)

    def _write(self) -> None:
        try:
            with self._blobs.begin() as writer:
                self._outcome.set_result(self._write_all(writer))
        except BlobStorageFull:
            self._outcome.set_exception(StorageFull("The storage is full. Nothing of this upload was kept."))
        except BlobStorageFailed:
            self._outcome.set_exception(StorageFailed("The storage failed. Nothing was kept; send the file again."))
        except BaseException as error:  # noqa: BLE001 - it is handed to the request, which raises it
            self._outcome.set_exception(error)
        self._loop.call_soon_threadsafe(self._let_all_through)

    def _write_all(self, writer: BlobWriter) -> StoredBlob:
        unchecked_bytes = SPACE_CHECKED_EVERY_BYTES
        while True:
            item = self._chunks.get()
            if item is None:
                raise UploadIncomplete("The upload was given up. Nothing of it was kept.")
            if callable(item):
                item(writer)
                return writer.commit()
            unchecked_bytes += len(item)
            if unchecked_bytes >= SPACE_CHECKED_EVERY_BYTES:
                unchecked_bytes = 0
                self._require_room()
            writer.write(memoryview(item))
            self._loop.call_soon_threadsafe(self._room.release)

    def _require_room(self) -> None:
        if self._blobs.free_bytes() < self._reserve_bytes:
            raise BlobStorageFull("the reserve for ledger and database is reached")

    def _let_all_through(self) -> None:
        """After the end nobody waits for room any more: the next ``put`` learns the outcome."""
        for _ in range(CHUNKS_QUEUED + 1):
            self._room.release()


@contextmanager
def open_upload(token_id: UUID) -> Iterator[None]:
    """The token's place for an upload while its body comes. Raises TooManyUploads."""
    if _open_uploads[token_id] >= OPEN_UPLOADS_PER_TOKEN:
        raise TooManyUploads(
            f"At most {OPEN_UPLOADS_PER_TOKEN} may be open at once. Wait for one to end.", headers={"Retry-After": "10"}
        )
    _open_uploads[token_id] += 1
    try:
        yield
    finally:
        _open_uploads[token_id] -= 1
        if _open_uploads[token_id] == 0:
            del _open_uploads[token_id]


async def receive_upload(
    request: Request,
    settings: Settings,
    blobs: Destination,
    understand: Callable[[bytes], Awaitable[tuple[Metadata, str | None]]],
) -> Upload[Metadata]:
    """The metadata and the stored file of a form as it streams in.

    ``understand`` is awaited once with the metadata's bytes, before any byte of the file is written; it gives what the
    route wants of them and the SHA-256 that the sender announced. Raises the errors of this module and of
    ``upload_form``; then nothing is kept.
    """
    try:
        _refuse_at_once(request, settings, blobs)
        form = UploadForm(boundary_of(request.headers.get("Content-Type")))
        chunks = _chunks(request, settings.receive_timeout_s)
        metadata, expected_sha256 = await understand(await _read_metadata(chunks, form))
        async with FileReceiver(blobs, settings.free_space_reserve_bytes) as receiver:
            head = await _read_file(chunks, form, receiver, settings.upload_max_bytes)
            assert form.file is not None
            blob = await receiver.finish(None if expected_sha256 is None else Sha256Hex(expected_sha256))
        return Upload(metadata, ReceivedFile(blob, head, form.file.name, form.file.media_type))
    except (FileTooLarge, UploadTimedOut, StorageFull) as error:
        # The rest of the body is not waited for. After other refusals the server reads and drops it, so that a sender
        # who reads only in the end learns the reason.
        error.headers.setdefault("Connection", "close")
        raise


def _refuse_at_once(request: Request, settings: Settings, blobs: Destination) -> None:
    _require_plain_body(request)
    declared = request.headers.get("Content-Length", "0")
    declared_bytes = int(declared) if declared.isdecimal() else 0
    if declared_bytes > settings.upload_max_bytes + FORM_OVERHEAD_BYTES:
        raise _too_large(settings.upload_max_bytes)
    if blobs.free_bytes() - declared_bytes < settings.free_space_reserve_bytes:
        raise StorageFull("The storage has no room for a file of this size. Nothing was kept.")


def _require_plain_body(request: Request) -> None:
    """The bytes are hashed and kept as they arrive: what is packed for transport would be preserved packed."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedContentEncoding("The bytes are kept as they arrive. Send the file itself.")


def _too_large(limit_bytes: int) -> FileTooLarge:
    return FileTooLarge(f"A file may have {limit_bytes} bytes at the most.", extra={"limit_bytes": limit_bytes})


async def _chunks(request: Request, timeout_s: float) -> AsyncIterator[bytes]:
    """The body's chunks. Raises UploadTimedOut after a silence, UploadIncomplete when the sender left."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadTimedOut(f"Nothing came for {timeout_s:g} seconds. Nothing was kept.") from error
        except ClientDisconnect as error:
            raise UploadIncomplete("The connection closed before the upload was complete.") from error
        if chunk:
            yield chunk


async def _read_metadata(chunks: AsyncIterator[bytes], form: UploadForm) -> bytes:
    async for chunk in chunks:
        form.feed(chunk)
        if form.metadata is not None:
            return form.metadata
        if form.is_complete:
            break
    if form.is_complete:
        raise WrongParts("The form has no part 'metadata'.")
    raise UploadIncomplete("The body ended within the part 'metadata'.")


async def _read_file(chunks: AsyncIterator[bytes], form: UploadForm, receiver: FileReceiver, limit_bytes: int) -> bytes:
    """Everything after the metadata, handed over to the writer; the file's first bytes."""
    head = b""
    more = True
    while more:
        if form.file_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        if form.buffered_bytes >= CHUNK_BYTES or form.is_complete:
            chunk = form.take()
            head += bytes(chunk[: HEAD_BYTES - len(head)])
            if chunk:
                await receiver.put(chunk)
        if form.is_complete:
            break
        following = await anext(chunks, None)
        more = following is not None
        if following is not None:
            form.feed(following)
    if not form.is_complete:
        raise UploadIncomplete("The body ended before the form's last boundary. Nothing was kept.")
    if form.file is None:
        raise WrongParts("The form has no part 'file'.")
    return head


async def read_json(request: Request, settings: Settings, limit_bytes: int) -> bytes:
    """A small body, held in memory.

    Raises FileTooLarge past the limit, UploadTimedOut, UploadIncomplete, UnsupportedContentEncoding.
    """
    _require_plain_body(request)
    body = bytearray()
    async for chunk in _chunks(request, settings.receive_timeout_s):
        body += chunk
        if len(body) > limit_bytes:
            raise FileTooLarge(f"This body may have {limit_bytes} bytes at the most.")
    return bytes(body)
