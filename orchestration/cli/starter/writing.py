"""The writing of a starter workspace."""

import json
from datetime import date, timedelta
from pathlib import Path

from models.catalog import catalog_json_schema

TEMPLATES = Path(__file__).parent
# By the name it has in a workspace; a real .gitignore would hide files of this very folder.
FILES = {
    "meterhouse.yml": "meterhouse.yml",
    "catalog/dimensions.yml": "catalog/dimensions.yml",
    "catalog/plans.yml": "catalog/plans.yml",
    "catalog/customers.yml": "catalog/customers.yml",
    "catalog/costs.yml": "catalog/costs.yml",
    "usage/sample.jsonl": "usage/sample.jsonl",
    ".env.example": ".env.example",
    ".gitignore": "gitignore",
}
SCHEMA_FILE = "catalog.schema.json"


def write_starter(directory: Path, today: date) -> list[Path]:
    """Write a workspace to begin with, and return its new files; those there are left alone.

    Its sample usage lies in the month before ``today``, so that there is an invoice to look at.
    """
    texts = {name: _text(template, today) for name, template in FILES.items()}
    texts[SCHEMA_FILE] = json.dumps(catalog_json_schema(), indent=2) + "\n"
    written = []
    for name, text in texts.items():
        file = directory / name
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def _text(template: str, today: date) -> str:
    last_month = today.replace(day=1) - timedelta(days=1)
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    text = text.replace("__LAST_MONTH__", f"{last_month:%Y-%m}")
    return text.replace("__NEXT_YEAR__", f"{today.year + 1}")
