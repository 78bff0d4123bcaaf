"""The web process for tests: made of a fresh database in a folder, asked directly, on a socket, or under gunicorn."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from app import create_app, real_ports
from config.settings import ROOT, Settings
from tests import factories


def settings(home: Path, **web: Any) -> Settings:
    """Return the settings of a home; keywords are those of the web process."""
    return Settings(home=home, web={"port": 8070, **web})


def app(home: Path, *, at: datetime | None = None, **web: Any) -> Flask:
    """Return the application of a home with an empty database; for it, it is always `at`."""
    factories.database(home).engine.dispose()
    known = settings(home, **web)
    ports = real_ports(known)
    return create_app(known, ports=replace(ports, now=lambda: at) if at else ports)


@contextmanager
def served(application: Flask) -> Iterator[str]:
    """Serve an application on a free port and give its address."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gunicorn(home: Path, *, connections: int = 1000, port: int = 0, **set_: str) -> Iterator[str]:
    """Serve a home as the system does, on a free port unless one is given, with more settings; give its address."""
    port = port or free_port()
    ours = {"SLIPWAY_HOME": str(home), "SLIPWAY_WEB__PORT": str(port), "SLIPWAY_WEB__CONNECTIONS": str(connections)}
    argv = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "config" / "gunicorn.py"), "app:create_app()"]
    with (home / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=os.environ | ours | set_, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz", process, home)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", home: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, (home / "gunicorn.log").read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("gunicorn does not answer")
