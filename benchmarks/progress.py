"""What the benchmark says while it works."""

import sys
import time

BEGAN = time.monotonic()


def say(message: str) -> None:
    """Print a message with the minutes since the beginning."""
    minutes, seconds = divmod(int(time.monotonic() - BEGAN), 60)
    sys.stderr.write(f"{minutes:3d}:{seconds:02d}  {message}\n")
    sys.stderr.flush()
