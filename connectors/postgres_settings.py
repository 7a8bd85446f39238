"""Settings of the embedded PostgreSQL, computed from the machine it runs on."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB
# Where a container says how much memory it may use; the machine's own memory is more.
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to share out, in bytes and cores."""

    memory: int
    cores: int
    free_disk: int
    shared_memory: int


def this_machine(directory: Path) -> Machine:
    """Return this machine, or the container we are in; the disk is the directory's."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in CGROUP_LIMITS:
        try:
            memory = min(memory, int(Path(file).read_text()))
        except (OSError, ValueError):
            # No such file, or the word `max`.
            continue
    shared = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").exists() else memory  # noqa: S108
    return Machine(memory, os.cpu_count() or 1, shutil.disk_usage(directory).free, shared)


def server_settings(machine: Machine, *, is_durable: bool = True) -> dict[str, str]:
    """Return the settings for batch work beside the Python and dbt that cause it."""
    memory, half_the_cores = machine.memory, max(1, machine.cores // 2)
    return {
        "shared_buffers": _megabytes(memory // 5, 128 * MIB, 4 * GIB),
        "effective_cache_size": _megabytes(memory // 2, 256 * MIB, 64 * GIB),
        "work_mem": _megabytes(memory // 128, 8 * MIB, 256 * MIB),
        "maintenance_work_mem": _megabytes(memory // 16, 64 * MIB, GIB),
        "max_connections": "200",
        "max_parallel_workers_per_gather": str(half_the_cores),
        "max_parallel_maintenance_workers": str(half_the_cores),
        # A container's default of 64 MB would fail the first parallel query.
        "dynamic_shared_memory_type": "posix" if machine.shared_memory >= GIB else "mmap",
        "jit": "off",
        "random_page_cost": "1.1",
        # Nobody replicates this server, so a table filled by its own transaction needs no WAL: it
        # is synchronised at the commit instead, and is as safe.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        # Batches touch index pages all over the place, whose images after each checkpoint compress
        # badly: with pglz they cost more time than the bytes they save.
        "wal_compression": "off",
        "max_wal_size": _megabytes(machine.free_disk // 10, 256 * MIB, 16 * GIB),
        "checkpoint_timeout": "30min",
        "checkpoint_completion_target": "0.9",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %u@%d ",
        "lc_messages": "C",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        **_durability(is_durable=is_durable),
    }


def _durability(*, is_durable: bool) -> dict[str, str]:
    setting = "on" if is_durable else "off"
    return dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), setting)


def _megabytes(wanted: int, least: int, most: int) -> str:
    return f"{min(max(wanted, least), most) // MIB}MB"
