"""gunicorn's settings: one process, a greenlet a request, no control socket, logs through structlog."""

from typing import Any

from gunicorn.glogging import Logger as _Logger  # type: ignore[import-untyped]

from config.logs import configure
from config.settings import Settings

_settings = Settings()
_host = f"[{_settings.web.host}]" if ":" in _settings.web.host else _settings.web.host

bind = f"{_host}:{_settings.web.port}"
proc_name = f"slipway-web-{_settings.home_id}"
# One process: what comes in at the same moment is one commit. Greenlets: whoever sends slowly or follows a log holds
# a few kilobytes and not a thread.
workers = 1
worker_class = "gevent"
worker_connections = _settings.web.connections
timeout = 60
graceful_timeout = 30
keepalive = 15
# The default is a socket in the user's home through which any program of that user can stop the server.
control_socket_disable = True
accesslog = None
# X-Forwarded-* is believed from our own proxy only.
forwarded_allow_ips = "127.0.0.1,::1"
worker_tmp_dir = "/dev/shm"  # noqa: S108 - its heartbeat is a file's time; on a slow disk a busy worker would look dead


class logger_class(_Logger):  # type: ignore[misc]
    """gunicorn's logger, handing its events to the root logger like everybody's."""

    def setup(self, cfg: Any) -> None:
        """Configure structlog; gunicorn's own handlers and formats are not used."""
        configure(_settings.log_format)
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.handlers = []
        self.access_log.disabled = True
