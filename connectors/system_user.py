"""The user as whom PostgreSQL runs when we are root, which it refuses to be."""

import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

USER = "meterhouse"
# The kernel's form of an access list: a version, then entries of tag, permissions and id.
_ACCESS_LIST = "system.posix_acl_access"
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_NO_ID = 0xFFFFFFFF
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
_TRAVERSE = 1


class SystemUserError(RuntimeError):
    """The other user cannot be had, or cannot reach its files."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user of this machine without rights of its own."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give a file or folder to the user, readable by nobody else."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        path.chmod(0o700 if path.is_dir() else 0o600)

    def give_access(self, path: Path) -> None:
        """Let the user, and nobody else, pass through the folders that lead to a path."""
        for folder in reversed(path.resolve().parents):
            if not self._may_pass(folder):
                self._let_pass(folder)

    def require_program(self, file: Path) -> None:
        """Refuse a program that the user may not run, as after an installation with umask 077."""
        if not file.stat().st_mode & stat.S_IXOTH:
            raise SystemUserError(
                f"PostgreSQL does not run as root, and the user {self.name}, as whom it runs "
                f"instead, may not execute {file}. Allow it with: chmod -R o+rX {file.parents[1]}"
            )

    def _may_pass(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        entries = _access_list(folder)
        named = [entry[1] for entry in entries if entry[0] == _USER and entry[2] == self.uid]
        if named:
            mask = [entry[1] for entry in entries if entry[0] == _MASK]
            return bool(named[0] & mask[0] & _TRAVERSE)
        return bool(status.st_mode & stat.S_IXOTH)

    def _let_pass(self, folder: Path) -> None:
        entries = [
            entry
            for entry in _access_list(folder)
            if not (entry[0] == _USER and entry[2] == self.uid)
        ]
        entries.append((_USER, _TRAVERSE, self.uid))
        entries = [
            (tag, permissions | _TRAVERSE if tag == _MASK else permissions, owner)
            for tag, permissions, owner in entries
        ]
        if not any(tag == _MASK for tag, _, _ in entries):
            group = next(permissions for tag, permissions, _ in entries if tag == _GROUP)
            entries.append((_MASK, group | _TRAVERSE, _NO_ID))
        packed = b"".join(_ENTRY.pack(*entry) for entry in sorted(entries))
        try:
            os.setxattr(folder, _ACCESS_LIST, _VERSION + packed)
        except OSError as error:
            raise SystemUserError(
                f"PostgreSQL does not run as root, and the user {self.name}, as whom it runs "
                f"instead, may not pass through {folder} ({error.strerror}). Allow it with: "
                f"chmod o+x {folder}; or run Meterhouse as another user, or elsewhere"
            ) from None


def system_user() -> SystemUser | None:
    """Return the user as whom PostgreSQL must run: None where we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        _create_user()
        entry = pwd.getpwnam(USER)
    return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create_user() -> None:
    command = shutil.which("useradd")
    if command is None:
        raise SystemUserError(
            f"PostgreSQL does not run as root, and there is no useradd to make the user {USER} "
            "for it. Make that user, or run Meterhouse as another user than root"
        )
    arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    made = subprocess.run([command, *arguments, USER], capture_output=True, text=True, check=False)
    # Another process may have made it at the same time.
    if made.returncode != 0 and not _exists():
        raise SystemUserError(
            f"PostgreSQL does not run as root, and the user {USER} for it could not be made: "
            f"{made.stderr.strip()}. Make that user, or run Meterhouse as another user than root"
        )


def _exists() -> bool:
    return any(entry.pw_name == USER for entry in pwd.getpwall())


def _access_list(folder: Path) -> list[tuple[int, int, int]]:
    """Return the entries of a folder's access list; without one, those its mode amounts to."""
    try:
        packed = os.getxattr(folder, _ACCESS_LIST)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        mode = folder.stat().st_mode
        return [
            (_OWNER, mode >> 6 & 7, _NO_ID),
            (_GROUP, mode >> 3 & 7, _NO_ID),
            (_OTHERS, mode & 7, _NO_ID),
        ]
    return [(tag, bits, owner) for tag, bits, owner in _ENTRY.iter_unpack(packed[4:])]
