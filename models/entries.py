"""The base of everything read from a user's YAML files: it knows where it stands.

Reading an entry tells all that is wrong with it, and goes on with what is left: other entries are
still checked against it, and one mistake is not told twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from models.fields import shown
from models.problems import Problem, did_you_mean, listed
from models.variables import VariableText
from models.yaml_files import NOWHERE, LocatedMapping, Place

EntryType = TypeVar("EntryType", bound="Entry")

MAX_ROUNDS = 12


class Entry(BaseModel):
    """A frozen record of a user's file; ``place`` says where it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)
    _place: Place = PrivateAttr(default_factory=lambda: NOWHERE)

    @property
    def place(self) -> Place:
        """Where this entry stands; nowhere when it was made in code."""
        return self._place

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys that may be written."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="wrap")
    @classmethod
    def _read(
        cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if not isinstance(given, LocatedMapping):
            return handler(given)
        known = cls.keys()
        if isinstance(info.context, list):
            info.context.extend(
                given.place.at(key).problem(_unknown_key(key, known))
                for key in given
                if key not in known
            )
        # A key without a value is as good as no key.
        entry = handler({key: given[key] for key in known if given.get(key) is not None})
        entry._place = given.place
        return entry


def _unknown_key(key: str, known: list[str]) -> str:
    hint = did_you_mean(key, known)
    return f"{key} is not a known key{hint or f'; known are {listed(known)}'}"


def read_entry(
    kind: type[EntryType], given: Any, place: Place, problems: list[Problem]
) -> EntryType | None:
    """Return an entry, less what cannot be read of it, and add what is wrong with it."""
    if not isinstance(given, LocatedMapping):
        problems.append(place.problem(f"expected a mapping (key: value), not {shown(given)}"))
        return None
    found: list[Problem] = []
    entry: EntryType | None = None
    rest: Any = given
    for round_number in range(MAX_ROUNDS):
        try:
            entry = kind.model_validate(rest, context=found if round_number == 0 else [])
            break
        except ValidationError as error:
            details = error.errors(include_url=False)
            if round_number == 0:
                found += [_problem(detail, given, place) for detail in details]
            rest = _pruned(rest, details)
            if rest is None:
                break
    problems += _without_echoes(found, problems)
    return entry


def _without_echoes(found: list[Problem], told: Sequence[Problem]) -> list[Problem]:
    """Return the problems that do not follow from one that the YAML reader already told."""
    places = {(problem.file, problem.path) for problem in told}
    return [problem for problem in found if (problem.file, problem.path) not in places]


def _steps(detail: ErrorDetails, given: Any) -> list[str | int]:
    """Return an error's location without pydantic's own steps, such as a union's tag."""
    location = detail["loc"]
    steps: list[str | int] = []
    for number, step in enumerate(location, start=1):
        is_absent_key = detail["type"] == "missing" and number == len(location)
        if isinstance(given, dict) and (step in given or is_absent_key):
            steps.append(step)
            given = given.get(str(step))
        elif isinstance(given, list) and isinstance(step, int) and step < len(given):
            steps.append(step)
            given = given[step]
    if detail["type"] == "union_tag_invalid":
        steps.append(_discriminator(detail))
    return steps


def _problem(detail: ErrorDetails, given: Any, place: Place) -> Problem:
    return place.at(*_steps(detail, given)).problem(_message(detail))


def _message(detail: ErrorDetails) -> str:
    """Return what was expected, in words of ours."""
    context = detail.get("ctx") or {}
    given = detail["input"]
    wording: dict[str, Callable[[], str]] = {
        "refused": lambda: str(context["message"]),
        "missing": lambda: "is missing",
        "literal_error": lambda: _not_one_of(given, str(context["expected"])),
        # Not the tag of the context: that is a plain copy, and could show a variable's value.
        "union_tag_invalid": lambda: _not_one_of(
            given[_discriminator(detail)], str(context["expected_tags"])
        ),
        "union_tag_not_found": lambda: f"the key {_discriminator(detail)} is missing",
        "tuple_type": lambda: f"expected a list, not {shown(given)}",
        "dict_type": lambda: f"expected a mapping (key: value), not {shown(given)}",
        "model_type": lambda: f"expected a mapping (key: value), not {shown(given)}",
        "model_attributes_type": lambda: f"expected a mapping (key: value), not {shown(given)}",
        "bool_type": lambda: f"expected true or false, not {shown(given)}",
        "bool_parsing": lambda: f"expected true or false, not {shown(given)}",
        "int_type": lambda: f"expected a whole number, not {shown(given)}",
        "int_parsing": lambda: f"expected a whole number, not {shown(given)}",
        "greater_than_equal": lambda: f"must be at least {context['ge']}, not {shown(given)}",
        "less_than_equal": lambda: f"must be at most {context['le']}, not {shown(given)}",
    }
    word = wording.get(detail["type"])
    return word() if word else detail["msg"]


def _discriminator(detail: ErrorDetails) -> str:
    """Return the key that says of which type an entry is."""
    return str(detail["ctx"]["discriminator"]).strip("'")


def _not_one_of(given: Any, expected: str) -> str:
    known = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    is_plain = isinstance(given, str) and not isinstance(given, VariableText)
    hint = did_you_mean(given, known) if is_plain else ""
    return f"expected {listed(known)}, not {shown(given)}{hint}"


def _pruned(given: LocatedMapping, details: Sequence[ErrorDetails]) -> LocatedMapping | None:
    """Return a copy without the values that cannot be read; None where nothing would be left."""
    locations = [_steps_to_remove(detail, given) for detail in details]
    if any(not steps for steps in locations):
        return None
    copy: LocatedMapping = _copied(given)
    # From the back, so that the numbers of the other items of a list still hold.
    for steps in sorted(set(locations), key=lambda steps: [str(step).zfill(9) for step in steps])[
        ::-1
    ]:
        _remove(copy, steps)
    return copy


def _steps_to_remove(detail: ErrorDetails, given: Any) -> tuple[str | int, ...]:
    steps = _steps(detail, given)
    # What misses a key, or does not say what it is, is left out whole.
    whole = detail["type"] in ("missing", "union_tag_invalid")
    return tuple(steps[:-1] if whole else steps)


def _copied(value: Any) -> Any:
    if isinstance(value, LocatedMapping):
        copy = LocatedMapping(value.place)
        copy.update({key: _copied(item) for key, item in value.items()})
        return copy
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _remove(value: Any, steps: tuple[str | int, ...]) -> None:
    for step in steps[:-1]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(value, LocatedMapping):
        value.place = replace(value.place, is_partial=True)
        value.pop(str(steps[-1]), None)
    elif isinstance(value, list) and isinstance(steps[-1], int) and steps[-1] < len(value):
        del value[steps[-1]]


def repeated(entries: Iterable[Any], kind: str) -> Iterator[Problem]:
    """Yield a problem for every id that stands twice among entries of a kind."""
    first: dict[str, Place] = {}
    for entry in entries:
        if entry.id in first:
            message = f"the id {entry.id} is already taken among {kind}, in {first[entry.id]}"
            yield entry.place.at("id").problem(message)
        first.setdefault(entry.id, entry.place.at("id"))
