"""The direction of imports between the top-level packages."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "models": {"models"},
    "connectors": {"models", "connectors"},
    "assets": {"models", "connectors", "assets"},
    "orchestration": {"models", "connectors", "assets", "orchestration", "sandbox"},
    "sandbox": {"models", "sandbox"},
    "benchmarks": {"models", "connectors", "assets", "orchestration", "sandbox", "benchmarks"},
}


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_is_below_them(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for module in imported_modules(path):
            top = module.split(".")[0]
            if top in MAY_IMPORT:
                assert top in MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("package", ["assets", "orchestration"])
def test_modules_with_dagster_definitions_keep_their_annotations(package: str) -> None:
    """With postponed annotations Dagster no longer finds contexts, configs and resources."""
    for path in (ROOT / package).rglob("*.py"):
        modules = imported_modules(path)
        assert not ("dagster" in modules and "__future__" in modules), path
