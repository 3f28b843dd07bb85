"""The command ``pl-lint``: what people type, and the exit code they get.

Everything but the command line itself is imported where it is needed, so that ``--help`` and
``--version`` answer at once.
"""

from __future__ import annotations

import os
import sys

from pl_lint.cli.exits import INTERRUPTED, USAGE_ERROR

TYPE_CHECKING = False  # typing takes longer to import than a known answer to find
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RARELY = (100_000, 50, 50)
"""When garbage is collected: syntax trees are none, and looking through them each time that a few
objects more were made took a fifth of a reading."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _survive_odd_characters()
        status = _dispatch(arguments)
        sys.stdout.flush()
        if argv is None:
            _leave_memory_alone()
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


def _leave_memory_alone() -> None:
    """A process that ends needs no garbage collected: what Python looks through on its way out was
    a seventh of a reading of three files."""
    import gc

    gc.freeze()


def _reader_went_away() -> int:
    """``pl-lint | head``: quiet, but no success. The last flush at exit must not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USAGE_ERROR


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    command = _COMMANDS.get(name, _check)
    rest = arguments[1:] if name in _COMMANDS else arguments
    return command(rest)


def _check(arguments: list[str]) -> int:
    from pl_lint.cli.answers import answers_to

    answers = answers_to(arguments)
    known = answers.known() if answers else None
    if known:
        sys.stdout.write(known[0])
        return known[1]

    import gc

    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        from pl_lint.cli.options import check_parser

        options = check_parser().parse_args(arguments)

        from pl_lint.cli.checking import check

        return check(options, answers)
    finally:
        gc.set_threshold(*usual)


def _explain(arguments: list[str]) -> int:
    from pl_lint.cli.pages import explain

    return explain(arguments)


def _rules(arguments: list[str]) -> int:
    from pl_lint.cli.pages import rules

    return rules(arguments)


_COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "check": _check,
    "explain": _explain,
    "rules": _rules,
}
