"""How API processes share the connections of one socket: here threads, each with an event loop of its own."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

import pytest

from app import accepting
from app.accepting import Connections, Share, SharedListener, shared_numbers

DEADLINE_S = 10.0


class Keeping(asyncio.Protocol):
    """Keeps its connection, and says so to whoever called."""

    def __init__(self, open_connections: Connections) -> None:
        self._open = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._open.add(self)
        transport.write(b"here")

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)


class Process:
    """What accepts: a thread with its own event loop, its own descriptor of the socket, its own part of the memory."""

    def __init__(self, listening: socket.socket, share: Share, make_protocol: Callable[[], asyncio.Protocol] | None):
        self.open = Connections(share)
        self.loop = asyncio.new_event_loop()
        self._share = share
        self._make_protocol = make_protocol or (lambda: Keeping(self.open))
        self._thread = Thread(target=self.loop.run_forever)
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(self._listen(listening.dup()), self.loop).result()

    async def _listen(self, listening: socket.socket) -> SharedListener:
        return SharedListener(listening, self._share, self._make_protocol)

    def hang(self, seconds: float) -> None:
        self.loop.call_soon_threadsafe(time.sleep, seconds)

    def stop_accepting(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listener.close(), self.loop).result()

    def end(self) -> None:
        self.stop_accepting()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Office:
    """A socket, the memory that its processes share, and callers who keep their connections."""

    def __init__(self, listening: socket.socket, shares_fd: int) -> None:
        self._listening = listening
        self._shares_fd = shares_fd
        self.ended = ExitStack()

    def share(self, number: int) -> Share:
        return Share(self._shares_fd, number)

    def start(self, number: int, make_protocol: Callable[[], asyncio.Protocol] | None = None) -> Process:
        process = Process(self._listening, self.share(number), make_protocol)
        self.ended.callback(process.end)
        return process

    def call(self) -> socket.socket:
        """A caller, not yet taken."""
        return self.ended.enter_context(socket.create_connection(self._listening.getsockname(), DEADLINE_S))

    def taken(self, count: int) -> list[socket.socket]:
        """So many callers at once, once all were taken."""
        callers = [self.call() for _ in range(count)]
        for caller in callers:
            assert caller.recv(4) == b"here"
        return callers


@contextmanager
def an_office(processes: int) -> Iterator[Office]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening, shared_numbers(processes) as shares_fd:
        office = Office(listening, shares_fd)
        with office.ended:
            yield office


@pytest.fixture
def office() -> Iterator[Office]:
    with an_office(2) as made:
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, nobody's turn is over before they had it."""
    monkeypatch.setattr(accepting, "LEFT_WAITING_S", DEADLINE_S)
    monkeypatch.setattr(accepting, "ASLEEP_AFTER_S", DEADLINE_S)


def await_held(process: Process, count: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while len(process.open) != count:
        assert time.monotonic() < deadline, len(process.open)
        time.sleep(0.005)


def test_numbers_when_shared_then_stand_in_memory_alone() -> None:
    """In a file's pages a busy disk would hold the event loop up, and a full one kill the process."""
    with shared_numbers(2) as shares_fd:
        assert os.readlink(f"/proc/self/fd/{shares_fd}").startswith("/memfd:")


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_connections_when_many_are_kept_then_processes_hold_as_many_within_one(processes: int) -> None:
    with an_office(processes) as office:
        started = [office.start(number) for number in range(processes)]
        for count in (16, 1, 4, 10):
            office.taken(count)
            held = [len(each.open) for each in started]
            assert max(held) - min(held) <= 1, held
        assert sum(held) == 31


@pytest.mark.usefixtures("patient")
def test_connections_when_those_of_one_process_end_then_it_takes_the_next(office: Office) -> None:
    first = office.start(0)
    callers = office.taken(6)
    second = office.start(1)
    office.taken(5)
    assert (len(first.open), len(second.open)) == (6, 5)
    for caller in callers[:4]:
        caller.close()
    await_held(first, 2)
    office.taken(3)
    assert (len(first.open), len(second.open)) == (5, 5)


def test_connection_when_the_process_that_holds_fewer_hangs_then_another_takes_it(office: Office) -> None:
    first = office.start(0)
    office.taken(2)
    second = office.start(1)
    second.hang(1.5)
    started = time.monotonic()
    office.taken(1)
    assert time.monotonic() - started < 1.2
    assert (len(first.open), len(second.open)) == (3, 0)


def test_connections_when_a_process_died_then_others_wait_for_it_a_second_and_not_for_each(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "LEFT_WAITING_S", 0.5)
    alive = office.start(0)
    office.share(1).is_awake()  # What the dead one left.
    started = time.monotonic()
    office.taken(10)
    assert time.monotonic() - started < 2.5  # 4.5 s, if each had waited.
    assert len(alive.open) == 10


@pytest.mark.usefixtures("patient")
def test_connections_when_a_process_stops_then_nobody_waits_for_it(office: Office) -> None:
    first, second = office.start(0), office.start(1)
    callers = office.taken(4)
    second.stop_accepting()
    started = time.monotonic()
    office.taken(3)
    assert time.monotonic() - started < DEADLINE_S / 2
    assert (len(first.open), len(second.open)) == (5, 2)
    for caller in callers:  # That what it still held ends does not bring it back.
        caller.close()
    await_held(second, 0)
    await_held(first, 3)
    office.taken(3)
    assert (len(first.open), len(second.open)) == (6, 0)


@pytest.mark.usefixtures("patient")
def test_process_when_it_starts_anew_then_holds_nothing(office: Office) -> None:
    dead = office.share(0)
    dead.is_awake()
    dead.holds(40)
    first, second = office.start(0), office.start(1)
    office.taken(10)
    assert (len(first.open), len(second.open)) == (5, 5)


def test_process_when_a_connection_cannot_be_taken_then_it_takes_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without a free file descriptor: the process must not go deaf, nor try without a pause."""
    monkeypatch.setattr(accepting, "PAUSE_AFTER_FAILURE_S", 0.3)
    calls: list[float] = []

    def refused_at_first() -> asyncio.Protocol:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return Keeping(process.open)

    process = office.start(0, refused_at_first)
    office.call()
    office.taken(1)
    assert len(process.open) == 1
    assert calls[1] - calls[0] >= 0.3


def test_process_when_it_cannot_wait_for_a_connection_then_it_waits_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without memory for what the kernel is to watch: nobody would notice that the process is deaf."""
    monkeypatch.setattr(accepting, "PAUSE_AFTER_FAILURE_S", 0.1)
    failures = iter([OSError(errno.ENOMEM, "Cannot allocate memory")])
    wait_for_a_caller = SharedListener._caller

    async def failing_at_first(listener: SharedListener) -> None:
        for failure in failures:
            raise failure
        await wait_for_a_caller(listener)

    monkeypatch.setattr(SharedListener, "_caller", failing_at_first)
    process = office.start(0)
    office.taken(2)
    assert len(process.open) == 2
