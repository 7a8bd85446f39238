"""The command line inside a test: arguments in; exit code, stdout and stderr out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli.main import run_command


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Runs commands on one workspace, in this process."""

    def __init__(
        self,
        workspace: Path,
        capture: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.workspace = workspace
        self._capture = capture
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> Answer:
        self._monkeypatch.setattr(
            sys, "argv", ["meterhouse", "-w", str(self.workspace), *arguments]
        )
        self._capture.readouterr()
        code = run_command()
        out, err = self._capture.readouterr()
        assert "Traceback" not in out + err
        return Answer(code, out, err)

    def json(self, *arguments: str) -> Any:
        answer = self("--json", *arguments)
        assert answer.code == 0, answer.err
        return answer.result

    def write(self, name: str, content: str) -> None:
        file = self.workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
