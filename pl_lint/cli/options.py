"""The command line of ``pl-lint check``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pl_lint import __version__

COMMANDS = ("check", "explain", "rules")
LIKE = 0.75
"""How alike, by ``difflib``, a misspelled word is to the one that was meant."""
FORMATS = ("concise", "github", "json", "sarif", "text")


class Parser(argparse.ArgumentParser):
    """Names the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (?:.* )?(--[\w-]+)", message)
        near = _close(unknown[1], self._option_string_actions) if unknown else None
        super().error(f"{message}; did you mean {near}?" if near else message)


def _close(word: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=LIKE)), None)


def mistaken(paths: Sequence[Path]) -> str | None:
    """What is wrong with paths that were not meant as such: ``-``, a misspelled command."""
    first = str(paths[0]) if paths else ""
    if Path("-") in paths and not os.path.exists("-"):
        return "-: standard input needs a name, by which it is judged: --stdin-filename FILE"
    near = _close(first, COMMANDS) if not os.path.exists(first) else None
    return f"{first}: no such file and no command; did you mean {near}?" if near else None


def check_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pl-lint",
        usage="pl-lint [check] [OPTIONS] [PATHS]\n"
        "       pl-lint explain CODE\n"
        "       pl-lint rules [CODE ...]",
        description="Can you believe what your PyTorch Lightning code logs, saves and repeats?"
        " Reads it without running it.",
        epilog="Exit code: 0 nothing found, 1 findings that count, 2 bad use or a file that"
        " cannot be read.",
        allow_abbrev=False,
    )
    _reading(parser.add_argument)
    _selection(parser.add_argument_group("what is looked for").add_argument)
    _fixing(parser.add_argument_group("fixes").add_argument)
    _reporting(parser.add_argument_group("what is told").add_argument)
    return parser


def _reading(add: Callable[..., Any]) -> None:
    add("paths", nargs="*", type=Path, metavar="PATHS", help="files and folders (default: .)")
    add("--version", action="version", version=f"pl-lint {__version__}")
    add("--config", type=Path, metavar="FILE", help="instead of the nearest pyproject.toml")
    add(
        "--stdin-filename",
        type=Path,
        metavar="FILE",
        help="read FILE from standard input, as if it stood there, and tell its findings alone",
    )
    add("--no-cache", action="store_true", help="neither use nor keep answers (.pl_lint_cache)")


def _selection(add: Callable[..., Any]) -> None:
    add("--select", type=_list, metavar="CODES", help="only these, such as LTN1,LTN203 or ALL")
    add("--extend-select", type=_list, metavar="CODES", help="these as well")
    add("--ignore", type=_list, metavar="CODES", help="not these")
    add("--exclude", type=_list, metavar="PATTERNS", help="not these files, as in .gitignore")
    add(
        "--target",
        metavar="VERSION",
        help="judge 1.x code as code for Lightning 2: what has to change, and with --fix change it",
    )
    add(
        "--preview",
        action="store_const",
        const=True,
        help="rules that are being tried out, too (at present there are none)",
    )


def _fixing(add: Callable[..., Any]) -> None:
    add("--fix", action="store_true", help="mend what can be mended safely")
    add(
        "--unsafe-fixes",
        action="store_const",
        const=True,
        help="also mend where the result may do something else",
    )
    add("--diff", action="store_true", help="show what --fix would change, and change nothing")


def _reporting(add: Callable[..., Any]) -> None:
    add("--output-format", choices=FORMATS, default="text", help="default: text")
    add(
        "--show-settings",
        action="store_true",
        help="the settings, the rules that are on, and by which Lightning code is judged",
    )
    add("--statistics", action="store_true", help="how often each rule found something")
    add(
        "--fail-on",
        choices=["certain", "suspected"],
        help="whether suspected findings count (default: certain)",
    )
    add("--exit-zero", action="store_true", help="exit with 0 whatever is found")
    add("--baseline", type=Path, metavar="FILE", help="do not tell what stands in FILE")
    add(
        "--write-baseline",
        type=Path,
        metavar="FILE",
        help="write down all findings, so that --baseline FILE tells new ones alone",
    )


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
