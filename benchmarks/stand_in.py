"""``python -m benchmarks.stand_in DIRECTORY``: S3 on a loopback port until the input ends."""

import sys
from pathlib import Path

from sandbox.aws_server import AwsServer


def main() -> None:
    """Serve the files below a directory; the first line of the output is the address."""
    server = AwsServer(Path(sys.argv[1]))
    server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
