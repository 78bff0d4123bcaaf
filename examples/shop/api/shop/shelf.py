"""A shelf that outlives the process: a Redis, spoken to in a few lines of its own protocol."""

import socket


class Shelf:
    """Counts things in a Redis at `HOST:PORT`."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._answers = self._socket.makefile("rb")

    def add(self, thing: str, count: int = 1) -> int:
        """Put things on the shelf and return how many there are now."""
        return int(self._ask("HINCRBY", "shelf", thing, str(count)))

    def count(self, thing: str) -> int:
        """Return how many there are."""
        return int(self._ask("HGET", "shelf", thing) or 0)

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()

    def _ask(self, *words: str) -> str:
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self._socket.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
        kind, rest = (line := self._answers.readline().decode().strip())[:1], line[1:]
        if kind == "-":
            raise RuntimeError(rest)
        if kind != "$":
            return rest
        return "" if rest == "-1" else self._answers.readline().decode().strip()
