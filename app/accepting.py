"""API processes that accept from one socket share its connections evenly: who holds the fewest takes the next.

The kernel wakes all of them, the quickest takes the connection, and a client that keeps it stays there: by chance one
process had three of four callers and a long queue, while the other idled. So each process shows the others how many
connections it holds, in memory that they share, and takes one at once only while nobody holds fewer.

A process that hangs shows its number, too. So each shows when it was last awake: one that was not for a second is not
waited for. And who holds more waits only for a moment, then takes what nobody took: a wrong number costs that moment,
and never a connection.
"""

import asyncio
import mmap
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

LOOK_EVERY_S = 0.002
LEFT_WAITING_S = 0.2
"""So long those who hold fewer may leave a connection waiting."""

AWAKE_EVERY_S = 0.2
ASLEEP_AFTER_S = 1.0
"""Who was not awake for so long is dead or hangs, and nobody waits for it."""

PAUSE_AFTER_FAILURE_S = 1.0
"""As asyncio's own servers: a process without a free file descriptor would try again and again."""

BYTES_EACH = 2 * 8

logger = structlog.get_logger("exhibit.accepting")


@contextmanager
def shared_numbers(processes: int) -> Iterator[int]:
    """The descriptor of memory that so many processes share: two numbers of each.

    Memory, and no file: who writes into a file's pages waits while the disk is written to, and is killed (SIGBUS) when
    it is full.
    """
    descriptor = os.memfd_create("exhibit-shares")
    try:
        os.truncate(descriptor, processes * BYTES_EACH)
        yield descriptor
    finally:
        os.close(descriptor)


class Share:
    """One process's part of what all hold. Each writes its own two numbers alone, so that nothing needs a lock."""

    def __init__(self, descriptor: int, process: int) -> None:
        """``process``: from 0. What an earlier one left there is gone."""
        numbers = memoryview(mmap.mmap(descriptor, 0)).cast("q")
        processes = len(numbers) // 2
        self._awake_ns = numbers[:processes]
        self._holds = numbers[processes:]
        self._process = process
        self.leaves()
        self.holds(0)

    def is_awake(self) -> None:
        self._awake_ns[self._process] = time.monotonic_ns()  # One clock for all processes of a machine.

    def leaves(self) -> None:
        """It accepts no more: nobody waits for it."""
        self._awake_ns[self._process] = 0

    def holds(self, connections: int) -> None:
        self._holds[self._process] = connections

    def is_smallest(self) -> bool:
        """Whether no other that is awake holds fewer. Of those that hold the same, the quickest takes the next."""
        own = self._holds[self._process]
        asleep_ns = time.monotonic_ns() - int(ASLEEP_AFTER_S * 1e9)
        return all(
            own <= held for awake_ns, held in zip(self._awake_ns, self._holds, strict=True) if awake_ns > asleep_ns
        )


class Connections(set[Any]):
    """The server's own set of open connections, which shows the others its size."""

    def __init__(self, share: Share) -> None:
        self._share = share

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._share.holds(len(self))

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._share.holds(len(self))


class SharedListener:
    """Accepts from the shared socket, in this process's turn, until it is closed."""

    def __init__(self, listening: socket.socket, share: Share, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._listening.setblocking(False)
        self._share = share
        self._make_protocol = make_protocol
        self._waiting = select.poll()
        self._waiting.register(listening, select.POLLIN)
        self._tasks = [self._loop.create_task(work) for work in (self._stay_awake(), self._accept_until_closed())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._share.leaves()

    async def _stay_awake(self) -> None:
        while True:
            self._share.is_awake()
            await asyncio.sleep(AWAKE_EVERY_S)

    async def _accept_until_closed(self) -> None:
        with self._listening:
            while True:
                await self._accept_next()

    async def _accept_next(self) -> None:
        """Wait for a connection, and take it in our turn. What goes wrong with one ends no accepting."""
        try:
            await self._caller()
            if await self._is_our_turn():
                await self._take()
        except (BlockingIOError, ConnectionAbortedError):
            return  # Another process was quicker, or the caller left.
        except Exception as error:  # noqa: BLE001 - with its task the process would be deaf, and look alive
            logger.warning("accepting_failed", error=type(error).__name__, number=getattr(error, "errno", None))
            await asyncio.sleep(PAUSE_AFTER_FAILURE_S)

    async def _caller(self) -> None:
        """Until a connection waits."""
        called = asyncio.Event()
        self._loop.add_reader(self._listening, called.set)
        try:
            await called.wait()
        finally:
            self._loop.remove_reader(self._listening)

    async def _is_our_turn(self) -> bool:
        """Yes while nobody holds fewer, and when those who do leave the connection waiting; no once it was taken."""
        last_look = self._loop.time() + LEFT_WAITING_S
        while self._loop.time() < last_look:
            if self._share.is_smallest():
                return True
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._waiting.poll(0):
                return False
        return True

    async def _take(self) -> None:
        """Raises BlockingIOError when another process was quicker."""
        connection, _ = self._listening.accept()
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except BaseException:
            connection.close()
            raise
