"""A container to be: says its name, slowly if asked, and speaks a tunnel. Arguments: port, name."""

import socket
import sys
import threading
import time


def main() -> None:
    """Answer until killed."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(client, sys.argv[2].encode()), daemon=True).start()


def serve(client: socket.socket, name: bytes) -> None:
    """Answer one connection's requests; none of them has a body."""
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            received = client.recv(65536)
            if not received:
                client.close()
                return
            rest += received
        head, _, rest = rest.partition(b"\r\n\r\n")
        if head.startswith(b"GET /slow"):
            time.sleep(float(head.split(b" ")[1].partition(b"?")[2]))
        if b"upgrade: echo" in head.lower():
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            while received := client.recv(65536):
                client.sendall(received)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))


if __name__ == "__main__":
    main()
