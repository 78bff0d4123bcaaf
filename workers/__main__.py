"""The worker processes: `python -m workers stages|chat|forges|upkeep|clock`, one kind a process."""

import os
import socket
import sys

from config.logs import configure
from config.settings import Settings


def main(kind: str) -> None:
    """Work until told to stop."""
    settings = Settings()
    configure(settings.log_format)
    if kind == "clock":
        _clock(settings)
    else:
        _worker(kind, settings)


def _clock(settings: Settings) -> None:
    from runtime.jobs import Queues
    from runtime.wake import Wake
    from store.session import Database
    from workers.clock import Clock

    bell = Wake(settings.run / "clock.sock").listen()
    database, queues = Database(settings.database_url), Queues(settings.redis_url)
    Clock(
        database=database,
        queues=queues,
        bell=bell,
        sweep_seconds=settings.source.sweep,
        keep_days=settings.hooks.keep_days,
        keep_refused_days=settings.hooks.keep_refused_days,
        run_seconds=settings.limits.run_seconds,
        channel=settings.slack.channel,
    ).run()


def _worker(queue: str, settings: Settings) -> None:
    from runtime.jobs import work
    from workers.entry import warm_up

    warm_up()
    work(queue, settings.redis_url, name=f"{queue}-{socket.gethostname()}-{os.getpid()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
