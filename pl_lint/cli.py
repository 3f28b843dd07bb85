"""The command ``pl-lint``: what people type, and the exit code they get.

Everything but the command line itself is imported where it is needed, so that ``--help`` and
``--version`` answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pl_lint import __version__

if TYPE_CHECKING:
    from pl_lint.config import Config
    from pl_lint.report.result import Result
    from pl_lint.report.text import Palette
    from pl_lint.rules.registry import Rule
    from pl_lint.static.engine import Reading

USAGE_ERROR = 2
INTERRUPTED = 130
"""What shells report of a program that was stopped with Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _survive_odd_characters()
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_went_away()


def _survive_odd_characters() -> None:
    """A file name or a line of source that the terminal cannot show is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def _reader_went_away() -> int:
    """``pl-lint | head``: quiet, but no success. The last flush at exit must not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USAGE_ERROR


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    command = _COMMANDS.get(name, _check)
    rest = arguments[1:] if name in _COMMANDS else arguments
    return command(rest)


# --- check ----------------------------------------------------------------------------------------


def _check_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pl-lint",
        usage="pl-lint [check] [OPTIONS] [PATHS]\n"
        "       pl-lint explain CODE\n"
        "       pl-lint rules",
        description="Can you believe what your PyTorch Lightning code logs, saves and repeats?"
        " Reads it without running it.",
        epilog="Exit code: 0 nothing found, 1 findings that count, 2 bad use or a file that"
        " cannot be read.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", nargs="*", type=Path, metavar="PATHS", help="files and folders (default: .)")
    add("--output-format", choices=sorted(_FORMATS), default="text", help="default: text")
    add("--select", type=_list, metavar="CODES", help="only these, such as LTN1,LTN203 or ALL")
    add("--extend-select", type=_list, metavar="CODES", help="these as well")
    add("--ignore", type=_list, metavar="CODES", help="not these")
    add("--exclude", type=_list, metavar="PATTERNS", help="not these files, as in .gitignore")
    add(
        "--fail-on",
        choices=["certain", "suspected"],
        help="whether suspected findings count (default: certain)",
    )
    add("--config", type=Path, metavar="FILE", help="instead of the nearest pyproject.toml")
    add("--version", action="version", version=f"pl-lint {__version__}")
    return parser


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _check(arguments: list[str]) -> int:
    options = _check_parser().parse_args(arguments)
    paths = options.paths or [Path(".")]

    from pl_lint.config import ConfigError, load
    from pl_lint.rules.registry import all_rules
    from pl_lint.static.engine import read

    rules = tuple(all_rules())
    try:
        config = load(paths, _overrides(options), [rule.code for rule in rules], options.config)
    except ConfigError as error:
        return _refuse(str(error))
    reading = read(paths, config, rules)
    result = _result(reading, rules, config)
    _FORMATS[options.output_format](result)
    return result.exit_code


def _overrides(options: argparse.Namespace) -> Mapping[str, Any]:
    keys = ("select", "extend-select", "ignore", "exclude", "fail-on")
    given = {key: getattr(options, key.replace("-", "_")) for key in keys}
    return {key: value for key, value in given.items() if value is not None}


def _result(reading: Reading, rules: Sequence[Rule], config: Config) -> Result:
    from pl_lint.report.result import Result, in_order, relevant_files

    return Result(
        findings=in_order(reading.findings),
        unreadable=tuple(sorted(reading.unreadable, key=lambda one: one.location)),
        files=reading.files,
        relevant=relevant_files(reading.project),
        config=config,
        names={rule.code: rule.name for rule in rules},
        decided_by_runs=frozenset(rule.code for rule in rules if rule.observers == "both"),
    )


def _print_text(result: Result) -> None:
    from pl_lint.report.text import render
    from pl_lint.static.sources import lines_of

    for piece in render(result, lines_of, _palette()):
        print(piece)


def _palette() -> Palette:
    """Colours for people only: https://no-color.org."""
    from pl_lint.report.text import COLOURED, PLAIN

    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return COLOURED if sys.stdout.isatty() and not unwanted else PLAIN


def _print_json(result: Result) -> None:
    from pl_lint.report.json import render

    print(render(result))


_FORMATS: Mapping[str, Callable[[Result], None]] = {"text": _print_text, "json": _print_json}


def _refuse(message: str) -> int:
    print(f"pl-lint: {message}", file=sys.stderr)
    return USAGE_ERROR


# --- explain and rules ----------------------------------------------------------------------------


def _explain(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pl-lint explain",
        description="What a rule or a check finds, why it matters, what to write.",
    )
    parser.add_argument("what", metavar="CODE", help="such as LTN101, or a rule's or check's name")
    wanted = parser.parse_args(arguments).what

    from pl_lint.docs import pages_by_name

    named = pages_by_name()
    pages = {name.casefold(): texts for name, texts in named.items()}
    if wanted.casefold() not in pages:
        return _refuse(_unknown(wanted, named))
    print("\n".join(pages[wanted.casefold()]), end="")
    return 0


def _unknown(word: str, names: Iterable[str]) -> str:
    from pl_lint.config import nearest

    spelled = {name.casefold(): name for name in names}
    near = nearest(word.casefold(), spelled)
    hint = f"did you mean {spelled[near]}?" if near else "`pl-lint rules` lists them"
    return f"no rule and no check is called {word!r}; {hint}"


def _rules(arguments: list[str]) -> int:
    argparse.ArgumentParser(
        prog="pl-lint rules", description="Lists every rule, and whether it is on by default."
    ).parse_args(arguments)

    from pl_lint.rules.registry import all_rules

    rules = tuple(all_rules())
    longest = max((len(rule.name) for rule in rules), default=0)
    for rule in rules:
        state = "on " if rule.default else "off"
        print(
            f"{rule.code}  {state}  {rule.status.value:<9}  {rule.name:<{longest}}  {rule.summary}"
        )
    return 0


_COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "check": _check,
    "explain": _explain,
    "rules": _rules,
}

if __name__ == "__main__":
    sys.exit(main())
