"""Answers of the engine that come in lines for as long as the work takes, and can be given up at any moment."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from docker.errors import APIError
from requests import Response

from runtime.watch import TICK, Watch
from runtime.wire import BROKEN, TIMEOUT, Wire

CHUNK = 64 * 1024


class GivenUp(Exception):
    """Nobody waits for this answer any more."""


class Answer:
    """One request with a body that streams in and JSON lines that stream out.

    A thread sends and reads, so that whoever waits can stop waiting while either is stuck. Giving up closes the
    connection, which is what tells the engine to stop working.
    """

    def __init__(self, wire: Wire, path: str, params: dict[str, str], body: BinaryIO) -> None:
        self._wire = wire
        self._path = path
        self._params = params
        self._body = body
        self._body_fault: Exception | None = None
        self._given_up = threading.Event()
        self._response: Response | None = None
        self._queue: SimpleQueue[dict[str, Any] | Exception | None] = SimpleQueue()

    def messages(self, watch: Watch, stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Yield what the engine says, as it says it.

        Raises what the watch or the body raises, APIError if the engine refuses, Unavailable if it goes away.
        """
        thread = threading.Thread(target=self._talk, name="engine-answer", daemon=True)
        thread.start()
        try:
            yield from self._heard(watch, stop)
        finally:
            self._give_up()
            thread.join(timeout=1)

    def _heard(self, watch: Watch, stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        while True:
            watch.check(stop)
            try:
                item = self._queue.get(timeout=TICK)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise self._fault(item)
            watch.heard()
            yield item

    def _fault(self, fault: Exception) -> Exception:
        if self._body_fault is not None:
            return self._body_fault
        if isinstance(fault, BROKEN) and not isinstance(fault, APIError):
            gone = self._wire.gone(fault)
            gone.__cause__ = fault
            return gone
        return fault

    def _give_up(self) -> None:
        self._given_up.set()
        if self._response is not None:
            with suppress(OSError, ValueError, RuntimeError):
                self._response.raw.shutdown()

    def _talk(self) -> None:
        try:
            self._read()
            self._queue.put(None)
        except Exception as fault:
            self._queue.put(fault)

    def _read(self) -> None:
        # How long the engine may be silent is the watch's to say; None would be for ever.
        headers, timeout = {"Content-Type": "application/x-tar"}, (TIMEOUT, 24 * 3600)
        with self._wire.post(
            self._path, params=self._params, data=self._sent(), headers=headers, timeout=timeout
        ) as response:
            self._response = response
            if self._given_up.is_set():
                return
            self._wire.check(response)
            for line in response.iter_lines(chunk_size=CHUNK):
                self._queue.put(json.loads(line))

    def _sent(self) -> Iterator[bytes]:
        while chunk := self._read_body():
            if self._given_up.is_set():
                raise GivenUp
            yield chunk

    def _read_body(self) -> bytes:
        try:
            return self._body.read(CHUNK)
        except Exception as fault:
            self._body_fault = fault
            raise
