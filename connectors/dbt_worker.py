"""What runs in dbt's process: commands come in by a pipe, and results go out by it."""

import gc
import os
import queue
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from connectors.database import WarehouseBusy, WarehouseUnavailable
from connectors.dbt_process import DbtCommand, DbtDefect, DbtError, Failure, NodeResult

OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the commands that come, until the other end of the pipe is closed."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    pipe = Connection(int(sys.argv[1]))
    commands: queue.SimpleQueue[DbtCommand] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(pipe, commands), daemon=True).start()
    # Imported under the eyes of that thread: it takes seconds, in which the other end may close.
    from connectors.dbt_invocations import Dbt

    dbt = Dbt()
    sending = threading.Lock()

    def tell(result: NodeResult) -> None:
        with sending:
            pipe.send(result)

    while True:
        failure = None
        try:
            dbt.run(commands.get(), tell)
        except (DbtError, WarehouseBusy, WarehouseUnavailable) as error:
            failure = Failure(error, traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - raised on the other side.
            defect = DbtDefect(f"{type(error).__name__}: {error}")
            failure = Failure(defect, traceback.format_exc())
        pipe.send(failure)


def receive(pipe: Connection, commands: "queue.SimpleQueue[DbtCommand]") -> None:
    """Hand on what comes by the pipe; with its end this process ends, in the midst of anything."""
    try:
        while True:
            commands.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
