"""Most of the time of a run without much news would be imports of what it does not use."""

import subprocess
import sys
from pathlib import Path

SETTINGS = """
warehouse: {url: embedded}
sources:
  - {name: gateway, type: s3, bucket: usage, prefix: a/, region: us-east-1}
  - {name: logs, type: file, path: "logs/*.jsonl"}
  - {name: app, type: postgres, url: "postgresql://u:p@h/d", table: t, cursor: c, key: k}
  - name: product
    type: mixpanel
    project_id: "1"
    username: u
    secret: s
    events: {Exported: {dimension_id: exports}}
  - {name: aws, type: aws_cost_explorer}
  - {name: gpu, type: focus, path: "bills"}
stripe: {api_key: sk_test_x}
"""
LOADED = """
import sys
from pathlib import Path
import orchestration.cli.main, orchestration.cli.progress
from models.workspace import load_workspace
from orchestration.running import JobRunner

JobRunner(load_workspace(Path(sys.argv[1]))).job(sys.argv[2])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported_by(job: str, workspace: Path) -> set[str]:
    """Return the packages that are imported to load a job."""
    (workspace / "meterhouse.yml").write_text(SETTINGS)
    # In a process of its own: this one has imported everything already.
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, str(workspace), job],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def test_a_pull_imports_no_package_that_it_does_not_use(tmp_path: Path) -> None:
    imported = imported_by("pull", tmp_path)
    assert "dagster" in imported
    assert not imported & {"dbt", "dagster_dbt", "stripe", "great_expectations", "pandas"}


def test_a_build_leaves_dbt_to_its_own_process(tmp_path: Path) -> None:
    imported = imported_by("build", tmp_path)
    assert "dagster_dbt" in imported
    assert not imported & {"dbt", "great_expectations", "pandas"}
