"""``${NAME}`` and ``${NAME:-default}`` in YAML: kept whole while it is parsed, then looked up."""

import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

EXPRESSION = re.compile(r"\$\{([^}\n]*)\}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# YAML reads `{a: ${B}}` as a mapping inside a mapping. While it parses, each expression is a
# number between two characters of Unicode's private area, which YAML takes for plain text.
PROTECTED = re.compile("\ue000([0-9]+)\ue001")


class VariableText(str):
    """A text made from variables; ``template`` is what the file says and what may be shown."""

    __slots__ = ("template",)
    template: str

    def __new__(cls, value: str, template: str) -> "VariableText":
        """Return the text, which knows its template."""
        text = super().__new__(cls, value)
        text.template = template
        return text


class UnknownVariableError(Exception):
    """An expression has no value; the message says which, and how to give it one."""


class Variables:
    """The environment, and below it the workspace's ``.env``."""

    def __init__(self, environment: Mapping[str, str], env_file: Path | None = None) -> None:
        self._environment = environment
        self._env_file = env_file
        self._from_file: dict[str, str | None] = {}
        if env_file is not None and env_file.is_file():
            # Without interpolation: a password may hold `${`.
            self._from_file = dotenv_values(env_file, interpolate=False, encoding="utf-8-sig")

    def value_of(self, expression: str) -> str:
        """Return the value of what stands between the braces; an empty one counts as not set."""
        name, has_default, default = expression.partition(":-")
        if not NAME.fullmatch(name):
            raise UnknownVariableError(
                f"${{{expression}}} is not a variable: write ${{NAME}} or ${{NAME:-default}}, "
                "with a name of letters, digits and _"
            )
        value = self._environment.get(name) or self._from_file.get(name)
        if value:
            return value
        if has_default:
            return default
        remedy = "set it in the environment"
        if self._env_file is not None:
            remedy = f"add {name}=... to {self._env_file}, or {remedy}"
        raise UnknownVariableError(f"the variable {name} is not set or empty; {remedy}")


class ProtectedText:
    """A YAML text whose expressions are hidden from the parser."""

    def __init__(self, text: str) -> None:
        self._expressions: list[str] = []
        self.text = EXPRESSION.sub(self._protect, text)

    def _protect(self, found: re.Match[str]) -> str:
        self._expressions.append(found[1])
        return f"\ue000{len(self._expressions) - 1}\ue001"

    def expressions_in(self, scalar: str) -> list[str]:
        """Return the expressions that stand in a parsed scalar."""
        return [self._expressions[int(number)] for number in PROTECTED.findall(scalar)]

    def restored(self, scalar: str) -> str:
        """Return a parsed scalar as the file has it."""
        return PROTECTED.sub(lambda found: f"${{{self._expressions[int(found[1])]}}}", scalar)

    def filled(self, scalar: str, variables: Variables) -> str:
        """Return a parsed scalar with the values of its variables."""
        value = PROTECTED.sub(
            lambda found: variables.value_of(self._expressions[int(found[1])]), scalar
        )
        return VariableText(value, self.restored(scalar))
