"""The demo company's workspace: the files of ``demo_workspace``, and ``.env`` for this machine."""

import shutil
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).parent / "demo_workspace"


def write_demo_workspace(directory: Path, environment: Mapping[str, str]) -> None:
    """Write the workspace; files that are there stay as their user left them, ``.env`` is renewed.

    ``environment`` holds the addresses and secrets of the stand-ins.
    """
    for file in sorted(TEMPLATE.rglob("*.yml")):
        copy = directory / file.relative_to(TEMPLATE)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    secrets = directory / ".env"
    secrets.touch(mode=0o600)
    lines = [f"{name}='{value}'" for name, value in sorted(environment.items())]
    secrets.write_text("# Written by the demo at every start.\n" + "\n".join(lines) + "\n")
