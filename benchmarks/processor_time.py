"""How much of a processor a server has used: it tells a speed also on a busy machine."""

from contextlib import closing, suppress

import psutil
import psycopg2


class ServerTime:
    """The processor time of a Postgres server on this machine, all of its processes together."""

    def __init__(self, url: str) -> None:
        with closing(psycopg2.connect(url)) as connection:
            backend = psutil.Process(connection.info.backend_pid)
            self._server = psutil.Process(backend.ppid())

    def seconds(self) -> float:
        """Return the seconds since the server was started, those of ended processes included."""
        times = self._server.cpu_times()
        ended = float(times.children_user + times.children_system)
        return ended + sum(map(_seconds, (self._server, *self._server.children())))


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
