"""A build's session: the engine asks back over one connection for the secrets that a step mounts.

The engine speaks gRPC on it (moby/buildkit session/secrets/secrets.proto, session/auth/auth.proto,
grpc/health/v1/health.proto), and we answer.
"""

import logging
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType

from docker.utils import parse_host
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import BytesValue, Int32Value, StringValue
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

from pipeline.errors import Unavailable
from pipeline.registries import Registry
from runtime.wire import TIMEOUT, Wire

ASK = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
ASK_WHO = "/moby.filesync.v1.Auth/Credentials"
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = 1
OK, INVALID, NOT_FOUND, UNKNOWN_METHOD = 0, 3, 5, 12
FRAME_HEAD = 5
CHUNK = 64 * 1024
MOST_HEAD = 64 * 1024
SWITCHED = b"HTTP/1.1 101"

log = logging.getLogger(__name__)
Reply = tuple[int, bytes]


class Knows:
    """What an engine may ask, answered from what a build may know: secrets, and as whom base images are fetched."""

    def __init__(self, secrets: Mapping[str, str], registry: Registry | None = None) -> None:
        self._secrets = secrets
        self._registry = registry
        self.missed: list[str] = []

    def __call__(self, method: str, body: bytes) -> Reply:
        """Answer one call; what is not known is `not found`, which a step may tolerate."""
        if method == HEALTH:
            return OK, Int32Value(value=SERVING).SerializeToString()
        try:
            name = StringValue.FromString(body[FRAME_HEAD:]).value
        except DecodeError:
            return INVALID, b""
        if method == ASK_WHO:
            return OK, self._account(name)
        return self._secret(name) if method == ASK else (UNKNOWN_METHOD, b"")

    def _account(self, host: str) -> bytes:
        """Return as whom a registry is spoken to: with ours as is set, with any other as anybody."""
        ours = self._registry if self._registry and self._registry.host == host else None
        return _texts(ours.username, ours.password) if ours else b""

    def _secret(self, name: str) -> Reply:
        value = self._secrets.get(name)
        if value is None:
            self.missed.append(name)
        return (NOT_FOUND, b"") if value is None else (OK, BytesValue(value=value.encode()).SerializeToString())


class Calls:
    """The server's side of one connection, as far as calls with one question and one answer need it."""

    def __init__(self, answer: Callable[[str, bytes], Reply]) -> None:
        self._answer = answer
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._asked: dict[int, tuple[str, bytearray]] = {}
        self._unsent: dict[int, tuple[bytes, int]] = {}

    def feed(self, data: bytes) -> bytes:
        """Take in what was received and return what is to be sent."""
        for event in self._http.receive_data(data):
            self._take(event)
        for stream in list(self._unsent):
            self._send(stream)
        return self.opening()

    def opening(self) -> bytes:
        """Return what is to be sent at this moment."""
        return self._http.data_to_send()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers or ()}
            self._asked[event.stream_id or 0] = (headers.get(":path", ""), bytearray())
        elif isinstance(event, DataReceived) and event.stream_id in self._asked:
            self._asked[event.stream_id][1].extend(event.data or b"")
            self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded) and event.stream_id in self._asked:
            self._reply(event.stream_id)
        elif isinstance(event, StreamReset):
            self._asked.pop(event.stream_id or 0, None)
            self._unsent.pop(event.stream_id or 0, None)
        elif isinstance(event, WindowUpdated):
            return  # what waits for it is sent by `feed`

    def _reply(self, stream: int) -> None:
        method, body = self._asked.pop(stream)
        status, message = self._answer(method, bytes(body))
        self._http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        framed = b"\0" + len(message).to_bytes(4, "big") + message if status == OK else b""
        self._unsent[stream] = (framed, status)

    def _send(self, stream: int) -> None:
        """Send as much of an answer as the other side has room for, and its end after the last of it."""
        rest, status = self._unsent.pop(stream)
        while rest and (room := self._room(stream)) > 0:
            self._http.send_data(stream, rest[:room])
            rest = rest[room:]
        if rest:
            self._unsent[stream] = (rest, status)
        else:
            self._http.send_headers(stream, [("grpc-status", str(status))], end_stream=True)

    def _room(self, stream: int) -> int:
        return min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)


class BuildSession:
    """A session of the engine for one build: open inside the block, and never after it."""

    def __init__(self, wire: Wire, knows: Knows) -> None:
        self._wire = wire
        self._answer = knows
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.id = uuid.uuid4().hex

    @property
    def missed(self) -> tuple[str, ...]:
        """The secrets that were asked for and are not there."""
        return tuple(self._answer.missed)

    def __enter__(self) -> "BuildSession":
        """Open the session. Raises Unavailable if the engine has none."""
        try:
            self._socket = _connect(self._wire.host)
            first = self._switch(self._socket)
        except OSError as fault:
            self._close()
            raise self._wire.gone(fault) from fault
        except Unavailable:
            self._close()
            raise
        self._thread = threading.Thread(target=self._serve, args=(self._socket, first), name="session", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        self._close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _switch(self, wire: socket.socket) -> bytes:
        """Ask for the connection to be turned round, and return what came after the engine's yes."""
        lines = (
            "POST /session HTTP/1.1",
            "Host: docker",
            "Connection: Upgrade",
            "Upgrade: h2c",
            f"X-Docker-Expose-Session-Uuid: {self.id}",
            "X-Docker-Expose-Session-Name: slipway",
            f"X-Docker-Expose-Session-Grpc-Method: {ASK}",
            f"X-Docker-Expose-Session-Grpc-Method: {ASK_WHO}",
            f"X-Docker-Expose-Session-Grpc-Method: {HEALTH}",
            "Content-Length: 0",
        )
        wire.sendall("\r\n".join((*lines, "", "")).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = wire.recv(CHUNK)
            received += chunk
            if not chunk or len(received) > MOST_HEAD:
                break
        head, _, rest = received.partition(b"\r\n\r\n")
        if not head.startswith(SWITCHED):
            said = head.split(b"\r\n", 1)[0].decode(errors="replace") or "nothing"
            raise Unavailable(f"the container engine opens no session for a build: {said}", code="engine_error")
        wire.settimeout(None)
        return rest

    def _serve(self, wire: socket.socket, first: bytes) -> None:
        calls = Calls(self._answer)
        try:
            wire.sendall(calls.opening())
            received = first or wire.recv(CHUNK)
            while received:
                if answer := calls.feed(received):
                    wire.sendall(answer)
                received = wire.recv(CHUNK)
        except (OSError, ProtocolError) as fault:
            # The build itself says so, if it still needed an answer.
            log.debug("a build's session ended: %s", type(fault).__name__)


def _texts(*values: str) -> bytes:
    """Return a message whose fields 1, 2 … are these texts."""
    message = b""
    for number, value in enumerate(values, start=1):
        data = BytesValue(value=value.encode()).SerializeToString()
        message += bytes([number << 3 | 2]) + data[1:]
    return message


def _connect(host: str) -> socket.socket:
    address = str(parse_host(host))
    scheme, _, where = address.partition("://")
    if scheme == "http+unix":
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(TIMEOUT)
        wire.connect(where)
        return wire
    name, _, port = where.rpartition(":")
    return socket.create_connection((name.strip("[]"), int(port)), timeout=TIMEOUT)
