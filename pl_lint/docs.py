"""The pages about rules and checks, made of their docstrings: ``python -m pl_lint.docs``.

What ``pl-lint explain`` prints and what stands in ``docs/`` is the same text.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pl_lint.facts.catalogue import Row
    from pl_lint.findings import Status

MADE = "<!-- Made by `python -m pl_lint.docs` from the docstring; change it there. -->\n"
MADE_OF_DATA = "<!-- Made by `python -m pl_lint.docs` from pl_lint/facts/catalogue.toml. -->\n"


PREVIEWS = "Those in preview are off until `--preview` asks for them.\n"
NO_PREVIEWS = "No rule is in preview at present: `--preview` adds none.\n"
OBSERVERS = {
    "reading": "reading",
    "running": "running",
    "both": "reading and running",
}


class Documented(Protocol):
    """What rules and checks have in common."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def documentation(self) -> str: ...


class Coded(Documented, Protocol):
    """What rules and the mistakes that only a run can see have in common."""

    @property
    def code(self) -> str: ...

    @property
    def rows(self) -> tuple[str, ...]: ...

    @property
    def status(self) -> Status: ...

    @property
    def default(self) -> bool: ...

    @property
    def observers(self) -> str: ...


# --- docstrings -----------------------------------------------------------------------------------


def markdown(docstring: str) -> str:
    """A docstring as Markdown: headings become ``##``, indented code gets a fence."""
    blocks = _blocks(inspect.cleandoc(docstring).split("\n"))
    return "\n".join(blocks) + "\n"


_LABEL = re.compile(r"[A-Z][\w']*(?: [\w']+){0,5}:")
"""``How it is judged:`` above its paragraph."""
_PROSE = re.compile(r"[^\W_]|`")
"""How a paragraph begins; a list has other marks."""
_UNDERLINE = re.compile(r"(-{3,}|={3,}|~{3,})\s*")


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    position = 0
    while position < len(lines):
        taken, text = _block(lines, position)
        yield text
        position += taken


def _block(lines: Sequence[str], position: int) -> tuple[int, str]:
    """How many lines the next block takes, and its Markdown."""
    line = lines[position]
    if line.startswith("```"):
        return _fenced(lines, position)
    following = lines[position + 1] if position + 1 < len(lines) else ""
    if line.strip() and _UNDERLINE.fullmatch(following):
        return _heading(lines, position, 2)
    if _LABEL.fullmatch(line) and not _before(lines, position) and _PROSE.match(following):
        return _heading(lines, position, 1)
    if line.startswith("    ") and _may_be_code(lines, position):
        return _indented(lines, position)
    return 1, _prose(line)


def _before(lines: Sequence[str], position: int) -> str:
    return lines[position - 1].strip() if position else ""


def _heading(lines: Sequence[str], position: int, taken: int) -> tuple[int, str]:
    """A heading and exactly one empty line below it."""
    end = position + taken
    while end < len(lines) and not lines[end].strip():
        end += 1
    return end - position, f"## {lines[position].strip().rstrip(':')}\n"


def _may_be_code(lines: Sequence[str], position: int) -> bool:
    """Whether an indented line begins a block, rather than going on with a list's item."""
    before = _before(lines, position)
    return not before or _UNDERLINE.fullmatch(before) is not None


def _fenced(lines: Sequence[str], position: int) -> tuple[int, str]:
    """Code that is Markdown already."""
    end = position + 1
    while end < len(lines) and not lines[end].startswith("```"):
        end += 1
    end = min(end + 1, len(lines))
    return end - position, "\n".join(lines[position:end])


def _indented(lines: Sequence[str], position: int) -> tuple[int, str]:
    end = position
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    code = "\n".join(line[4:].rstrip() for line in lines[position:end])
    return end - position, f"```python\n{code}\n```"


def _prose(line: str) -> str:
    """reStructuredText's double backquotes and the ``::`` before code."""
    line = re.sub(r"``([^`]+)``", r"`\1`", line)
    return re.sub(r"::$", ":", line)


# --- pages ----------------------------------------------------------------------------------------


def page(rule: Coded) -> str:
    """The page of a rule."""
    facts = [
        f"Status: **{rule.status.value}**",
        f"default: **{'on' if rule.default else 'off'}**",
        f"found by: **{OBSERVERS[rule.observers]}**",
        *(["fix: **sometimes**"] if getattr(rule, "fixable", False) else ()),
    ]
    return f"# {rule.code}: {rule.name}\n\n{' · '.join(facts)}\n\n{_body(rule)}"


def check_page(check: Documented) -> str:
    return f"# {check.name}\n\n{_body(check)}"


def _body(documented: Documented) -> str:
    """The docstring; its headings below the page's title."""
    return markdown(documented.documentation)


def rule_index(rules: Iterable[Coded]) -> str:
    every = tuple(rules)
    previews = [rule.code for rule in every if getattr(rule, "preview", False)]
    rows = (
        (
            f"[{rule.code}]({rule.code}.md)",
            rule.name,
            rule.summary,
            rule.status.value,
            "preview" if rule.code in previews else "on" if rule.default else "off",
            OBSERVERS[rule.observers],
            "sometimes" if getattr(rule, "fixable", False) else "",
        )
        for rule in every
    )
    heads = ("code", "name", "what it finds", "status", "default", "found by", "fix")
    return f"# Rules\n\n{PREVIEWS if previews else NO_PREVIEWS}\n{table(heads, rows)}"


def check_index(checks: Iterable[Documented]) -> str:
    rows = ((f"[{check.name}]({check.name}.md)", check.summary) for check in checks)
    return "# Checks\n\n" + table(("check", "what it compares"), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(heads), _row(["---"] * len(heads)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_prose(cell).replace("|", "\\|") for cell in cells) + " |"


# --- the catalogue --------------------------------------------------------------------------------

CATALOGUE = """\
# The catalogue

pl-lint is measured by a catalogue of {count} mistakes, gathered from public threads, documentation
and code before there was a rule. Each has its row here: what it is, how it shows with Lightning 2.6
alone, the codes that stand for it, and who finds it. Codes in brackets are off unless selected.
{reading} rows are found by reading, {running} by running, {both} of these by both, {neither} by
neither.
"""
UNREAD = """\
## What reading does not find

Rows without a rule. `beforehand` is whether the mistake was thought to be seen in the source; the
precision is that of the plainest rule.

"""


def catalogue(rows: Iterable[Row], found: Iterable[Coded]) -> str:
    """The page of the catalogue: each row with what finds it, and those that no rule finds."""
    rows, codes = tuple(rows), tuple(found)
    by_row = {row.identifier: _finders(row, codes) for row in rows}
    who = Counter(_observers(finders) for finders in by_row.values())
    head = CATALOGUE.format(
        count=len(rows),
        reading=who["reading"] + who["reading and running"],
        running=who["running"] + who["reading and running"],
        both=who["reading and running"],
        neither=who["neither"],
    )
    lines = (_catalogue_row(row, by_row[row.identifier]) for row in rows)
    heads = ("row", "mistake", "without pl-lint it is", "codes", "found by")
    unread = ((r.identifier, r.readable, r.unread, r.measured) for r in rows if r.unread)
    heads_unread = ("row", "beforehand", "why there is no rule", "precision")
    return "\n".join((head, table(heads, lines), UNREAD + table(heads_unread, unread)))


def _finders(row: Row, found: Iterable[Coded]) -> tuple[Coded, ...]:
    return tuple(one for one in found if row.identifier in one.rows)


def _observers(finders: Iterable[Coded]) -> str:
    who = {one.observers for one in finders}
    reads, runs = who & {"reading", "both"}, who & {"running", "both"}
    return OBSERVERS["both"] if reads and runs else " ".join(reads or runs) or "neither"


def _catalogue_row(row: Row, finders: Sequence[Coded]) -> tuple[str, ...]:
    default: dict[str, bool] = {}
    for one in finders:  # a code may be a rule's and a mistake's
        default[one.code] = default.get(one.code, False) or one.default
    links = [(f"[{code}](rules/{code}.md)", on) for code, on in default.items()]
    codes = ", ".join(link if on else f"({link})" for link, on in links)
    return row.identifier, row.title, row.otherwise, codes, _observers(finders)


# --- files ----------------------------------------------------------------------------------------


def pages() -> Mapping[str, str]:
    """Every page by its path below ``docs/``."""
    made = {path: MADE + text for path, text in (*_rule_pages(), *_check_pages())}
    return made | {"catalogue.md": MADE_OF_DATA + _catalogue_page()}


def all_codes() -> tuple[Coded, ...]:
    """Everything with a code and a page: the rules, and the mistakes that only a run can see."""
    from pl_lint.checks.mistakes import all_mistakes
    from pl_lint.rules.registry import all_rules

    return tuple(sorted((*all_rules(), *all_mistakes()), key=lambda each: each.code))


def pages_by_name() -> Mapping[str, Sequence[str]]:
    """Every page under each of its names: code, name and catalogue row, or a check's name."""
    from pl_lint.checks.registry import all_checks

    found: dict[str, list[str]] = {}
    for each in all_codes():
        for name in (each.code, each.name, *each.rows):
            found.setdefault(name, []).append(page(each))
    for check in all_checks():
        found.setdefault(check.name, []).append(check_page(check))
    return found


def _rule_pages() -> Iterator[tuple[str, str]]:
    rules = all_codes()
    yield "rules/README.md", rule_index(rules)
    for rule in rules:
        yield f"rules/{rule.code}.md", page(rule)


def _check_pages() -> Iterator[tuple[str, str]]:
    if importlib.util.find_spec("pl_lint.checks.registry") is None:
        return
    from pl_lint.checks.registry import all_checks

    checks = tuple(all_checks())
    yield "checks/README.md", check_index(checks)
    for check in checks:
        yield f"checks/{check.name}.md", check_page(check)


def _catalogue_page() -> str:
    from pl_lint.facts.catalogue import all_rows

    return catalogue(all_rows(), all_codes())


def write(docs: Path) -> None:
    """Writes every page and removes those of what is gone."""
    wanted = pages()
    for stale in made(docs) - wanted.keys():
        (docs / stale).unlink()
    for path, text in wanted.items():
        target = docs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


def made(docs: Path) -> set[str]:
    """The pages that lie there."""
    found = (*docs.glob("rules/*.md"), *docs.glob("checks/*.md"), *docs.glob("catalogue.md"))
    return {path.relative_to(docs).as_posix() for path in found}


if __name__ == "__main__":
    write(Path(__file__).parent.parent / "docs")
