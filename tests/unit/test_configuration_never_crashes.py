"""Whatever a user writes, the answer is a catalog or problems with a place, never a traceback."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalog import load_catalog
from models.catalog_rows import catalog_rows
from models.problems import ConfigurationError, Problem
from models.workspace import load_workspace
from tests.unit.catalog_files import ALL

CATALOG: dict[str, Any] = {}
for part in ALL.values():
    CATALOG |= yaml.safe_load(part)
SETTINGS = yaml.safe_load(
    """
company: {name: X, country: US}
warehouse: {url: embedded}
sources:
  - {name: a, type: s3, bucket: b, role_arn: "arn:aws:iam::123456789012:role/r", external_id: xy,
     fields: {tenant_id: a.b, value: {const: 1}, metadata: {a: b}}}
  - {name: p, type: postgres, url: "postgresql://h/d", table: t, cursor: c, key: k, overlap: 15m}
  - {name: m, type: mixpanel, project_id: 1, username: u, secret: s, events: {E: {dimension_id: d}}}
  - {name: c, type: aws_cost_explorer, lookback_days: 3}
  - {name: f, type: focus, path: p, manifest: true}
billing: {grace: 1d, approval: auto, days_until_due: 3}
stripe: {api_key: k, payment_methods: [card]}
"""
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["flat", "direct", "s3", "a.b", "1e3", "010", "${X}", "2026-13-01"]),
    st.dates(),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just([[1]]),
    st.dictionaries(st.sampled_from(["id", "model", "const", "from"]), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value."""
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy in which another value stands at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    with contextlib.suppress(KeyError, IndexError, TypeError):
        copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


def damaged(content: Any) -> st.SearchStrategy[str]:
    changes = st.lists(st.tuples(st.sampled_from(places(content)[1:]), VALUES), max_size=4)

    def text(changes: list[tuple[tuple[Any, ...], Any]]) -> str:
        result = content
        for path, new in changes:
            with contextlib.suppress(KeyError, IndexError, TypeError):
                result = replaced(result, path, new)
        return yaml.safe_dump(result, sort_keys=False)

    return changes.map(text)


def problems_of_catalog(text: str) -> list[Problem]:
    with TemporaryDirectory() as name:
        (Path(name) / "all.yml").write_text(text, encoding="utf-8")
        try:
            catalog_rows(load_catalog(Path(name)))
        except ConfigurationError as error:
            return error.problems
    return []


def problems_of_settings(text: str) -> list[Problem]:
    with TemporaryDirectory() as name:
        (Path(name) / "meterhouse.yml").write_text(text, encoding="utf-8")
        try:
            load_workspace(Path(name), {})
        except ConfigurationError as error:
            return error.problems
    return []


@settings(max_examples=150, deadline=None)
@given(damaged(CATALOG))
def test_a_damaged_catalog_is_answered_with_problems(text: str) -> None:
    assert all(problem.line and problem.message for problem in problems_of_catalog(text))


@settings(max_examples=150, deadline=None)
@given(damaged(SETTINGS))
def test_damaged_settings_are_answered_with_problems(text: str) -> None:
    assert all(problem.line and problem.message for problem in problems_of_settings(text))


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.sampled_from("abid:-,[]{}&*#!|>'\"%@` \n\t0.1?~<$é\ue000"), max_size=40),
    st.integers(0, 500),
)
def test_text_that_is_put_anywhere_is_answered_with_problems(noise: str, at: int) -> None:
    text = yaml.safe_dump(CATALOG)
    assert all(problem.message for problem in problems_of_catalog(text[:at] + noise + text[at:]))
