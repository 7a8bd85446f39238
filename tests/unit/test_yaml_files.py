from datetime import date
from pathlib import Path

import pytest

from models.variables import Variables, VariableText
from models.yaml_files import LocatedMapping, parse_yaml, read_yaml


def problems_in(text: str) -> list[str]:
    return [str(problem) for problem in parse_yaml(text, "a.yml").problems]


def test_values_are_plain_and_know_their_lines() -> None:
    document = parse_yaml("a: 1\nb:\n  - {c: x}\n  - d: 2026-01-31\n", "a.yml")
    assert document.value == {"a": 1, "b": [{"c": "x"}, {"d": date(2026, 1, 31)}]}
    assert document.place.at("b", 1, "d").line == 4
    assert document.place.at("b", 0, "absent").line == 3
    assert isinstance(document.value["b"][0], LocatedMapping)
    assert str(document.value["b"][0].place.problem("no")) == "a.yml:3: b[0]: no"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 0.08",
            'a.yml:1: a: 0.08 is a YAML float, which is not exact; write "0.08" with quotes',
        ),
        (
            "a: 1_000.5",
            'a.yml:1: a: 1_000.5 is a YAML float, which is not exact; write "1000.5" with quotes',
        ),
        (
            "a: .inf",
            'a.yml:1: a: .inf is a YAML float, which is not exact; write digits as text: "0.08"',
        ),
        (
            "a: 1.5e+3",
            'a.yml:1: a: 1.5e+3 is a YAML float, which is not exact; write digits as text: "0.08"',
        ),
        ("a: 010", 'a.yml:1: a: YAML may read 010 as another number; write "010" in quotes'),
        ("a: 1:30", 'a.yml:1: a: YAML may read 1:30 as another number; write "1:30" in quotes'),
        ("a: 0x1F", 'a.yml:1: a: YAML may read 0x1F as another number; write "0x1F" in quotes'),
        ("a: 2026-02-30", "a.yml:1: a: 2026-02-30 is not a day of the calendar"),
        (
            "a: 1\nb: 2\na: 3",
            "a.yml:3: a: a is already written in line 1; a key may stand only once",
        ),
        ("a: !!binary aGk=", "a.yml:1: a: the YAML tag !!binary is not allowed"),
        (
            "a: !!python/object:os.system {}",
            "a.yml:1: a: the YAML tag !!python/object:os.system is not allowed",
        ),
        ("a: &x [*x]", "a.yml:1: a[0]: contains itself, or is nested too deeply"),
        ("? [a]\n: b", "a.yml:1: ?: a key must be a plain text"),
        (
            "a: 1\n---\nb: 1",
            "a.yml:3: a second document begins here; leave out the line ---, or use a second file",
        ),
        ("<<: 3", "a.yml:1: << must name a mapping"),
    ],
)
def test_what_yaml_would_misread_is_refused(text: str, message: str) -> None:
    assert problems_in(text) == [message]


@pytest.mark.parametrize("text", ["NO", "no", "yes", "on", "off", "Norway"])
def test_the_words_of_yaml_1_1_stay_text(text: str) -> None:
    assert parse_yaml(f"country: {text}", "a.yml").value == {"country": text}


def test_reading_goes_on_after_a_problem() -> None:
    document = parse_yaml("a: 0.5\nb: 0.25\nc: fine\n", "a.yml")
    assert len(document.problems) == 2
    assert document.value == {"a": "0.5", "b": "0.25", "c": "fine"}


def test_anchors_and_merges_are_followed_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\nx: {<<: *base, b: 3}\ny: *base\n"
    document = parse_yaml(text, "a.yml")
    assert document.problems == []
    assert document.value["x"] == {"a": 1, "b": 3}
    assert document.value["y"] == {"a": 1, "b": 2}


def test_aliases_that_multiply_come_to_an_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 5)]
    assert parse_yaml("\n".join(lines), "a.yml").problems == []


def test_a_file_that_is_too_much_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.yaml_files.MAX_NODES", 3)
    assert problems_in("a: [1, 2, 3]\nb: 4") == ["a.yml:1: a[1]: is too much for one file"]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_holds_nothing(text: str) -> None:
    document = parse_yaml(text, "a.yml")
    assert document.value is None
    assert document.problems == []


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: [1, 2\nb: 3\n", 2, "is not valid YAML"),
        ("a:\n\t- b\n", 2, "indent with spaces, not with tabs"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ('a: "x\n', 2, "is not valid YAML"),
        ("a: @x\n", 1, "is not valid YAML"),
        ("a: \x07\n", None, "is not valid YAML"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, line: int | None, part: str) -> None:
    document = parse_yaml(text, "a.yml")
    assert document.value is None
    [problem] = document.problems
    assert problem.line == line
    assert part in problem.message


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    assert [str(problem) for problem in read_yaml(file, "a.yml").problems] == [
        "a.yml:2: is not valid UTF-8"
    ]
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file, "a.yml").value == {"a": 1}


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path: Path) -> None:
    [problem] = read_yaml(tmp_path / "a.yml", "a.yml").problems
    assert "cannot be read" in problem.message


VARIABLES = Variables({"NAME": "value", "EMPTY": "", "TRICKY": "a: {b}, #c ${NAME}"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${NAME}", "value"),
        ("a: {b: ${NAME}, c: 1}", {"b": "value", "c": 1}),
        ("a: [${NAME}, ${NAME}]", ["value", "value"]),
        ("a: pre-${NAME}-post", "pre-value-post"),
        ("a: '${NAME}'", "value"),
        ("a: ${ABSENT:-fall, back: x}", "fall, back: x"),
        ("a: ${EMPTY:-default}", "default"),
        ("a: ${ABSENT:-}", ""),
        ("a: ${TRICKY}", "a: {b}, #c ${NAME}"),
        ("a: 1 # ${ABSENT}", 1),
    ],
)
def test_variables_are_replaced_also_within_braces(text: str, value: object) -> None:
    document = parse_yaml(text, "a.yml", VARIABLES)
    assert document.problems == []
    assert document.value["a"] == value


def test_a_variables_value_is_never_shown() -> None:
    value = parse_yaml("a: x-${NAME}", "a.yml", VARIABLES).value["a"]
    assert isinstance(value, VariableText)
    assert value.template == "x-${NAME}"


@pytest.mark.parametrize("text", ["a: ${ABSENT}", "a: ${EMPTY}"])
def test_a_variable_without_value_is_told_with_the_remedy(text: str, tmp_path: Path) -> None:
    variables = Variables({"EMPTY": ""}, tmp_path / ".env")
    document = parse_yaml(text, "a.yml", variables)
    name = text[5:-1]
    assert [str(problem) for problem in document.problems] == [
        f"a.yml:1: a: the variable {name} is not set or empty; "
        f"add {name}=... to {tmp_path / '.env'}, or set it in the environment"
    ]


def test_the_environment_goes_before_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("NAME=file\nOTHER='with ${NAME} inside'\n")
    variables = Variables({"NAME": "environment"}, env_file)
    document = parse_yaml("a: ${NAME}\nb: ${OTHER}", "a.yml", variables)
    assert document.value == {"a": "environment", "b": "with ${NAME} inside"}


def test_an_expression_that_is_no_name_is_refused() -> None:
    [problem] = parse_yaml("a: ${my-name}", "a.yml", VARIABLES).problems
    assert "is not a variable" in problem.message


def test_without_variables_an_expression_is_refused() -> None:
    [problem] = parse_yaml("a: ${NAME}", "a.yml").problems
    assert str(problem).startswith("a.yml:1: a: ${NAME}: variables are read in meterhouse.yml only")
