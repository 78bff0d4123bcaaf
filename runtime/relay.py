"""A way from a network of containers to the proxy: open only on that network's gateway, and only while it is needed."""

import asyncio
import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline.errors import Unavailable

CHUNK = 64 * 1024
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to be told apart, not to listen on
STOP_SECONDS = 5.0


class Relay:
    """pipeline.ports.Door to a proxy at `address` and `port`, which itself may listen on this machine alone."""

    def __init__(self, address: str, port: int) -> None:
        self._address = ANYWHERE.get(address, address)
        self._everywhere = address in ANYWHERE
        self._port = port

    @contextmanager
    def open(self, gateway: str) -> Iterator[int]:
        """Listen on a gateway's address and pass on what comes; the port is the proxy's own where that is free."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
        thread.start()
        servers: list[asyncio.Server] = []
        try:
            yield asyncio.run_coroutine_threadsafe(self._listen(gateway, servers), loop).result()
        finally:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(_end(servers), loop).result(STOP_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)
            if not loop.is_running():
                loop.close()

    async def _listen(self, gateway: str, servers: list[asyncio.Server]) -> int:
        try:
            server = await asyncio.start_server(self._pass_on, gateway, self._port)
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE and self._everywhere:
                return self._port
            if fault.errno not in {errno.EADDRINUSE, errno.EACCES}:
                what = f"nothing can listen on {gateway}, where containers would reach the proxy ({fault.strerror})"
                fix = "The container engine must be on this machine."
                raise Unavailable(what, code="no_way_to_proxy", fix=fix) from fault
            server = await asyncio.start_server(self._pass_on, gateway, 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._address, self._port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            for one in (writer, back):
                one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _end(servers: list[asyncio.Server]) -> None:
    """Let go of the listening socket and of every connection, each of which is a task's."""
    for server in servers:
        server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
