"""The machine that was measured on, as far as it explains the numbers."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

GIB = 1024**3
PACKAGES = ("duckdb", "pyarrow", "psycopg2-binary", "dbt-core", "dbt-postgres", "dagster")
PEERS = ("dlt", "adbc-driver-postgresql", "sling-linux-amd64", "pandas", "sqlalchemy")


def describe(server: Mapping[str, str]) -> dict[str, str]:
    """Return what there is to know of the machine, the server and the versions."""
    postgres, *settings = server.items()
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / GIB:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        postgres[0]: postgres[1],
        "settings": ", ".join(f"{name} {value}" for name, value in settings),
        "ours": _versions(PACKAGES),
        "peers": _versions(PEERS),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions(packages: tuple[str, ...]) -> str:
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} missing")
    return ", ".join(found)
