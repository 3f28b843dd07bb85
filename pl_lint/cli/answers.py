"""What was answered before: the same question about files that are as they were needs no reading.

An answer is kept whole, as it was printed, with the trail of everything it depends on: each folder
that was listed, each file that was found in it, configuration and pins that were looked for, and
the program's own files. Whoever asks the same again costs one look at each of them, and not even
the rules are imported.

Nothing here may fail: what cannot be written or understood is an answer that is not known.
"""

from __future__ import annotations

import os
import sys
import zlib

from pl_lint import __version__
from pl_lint.trail import Trail, state, unchanged

FOLDER = ".pl_lint_cache"
VARIABLE = "PL_LINT_CACHE_DIR"
MARKS = ("pyproject.toml", ".git")
"""What lies in the top folder of a project."""
ANSWER, PARTS = "answer-", "parts-"
"""How the names of the cache's files begin."""
MOST = 64
"""Answers that are kept; the oldest go."""
UNKEPT = (
    *("--no-cache", "--fix", "--diff", "--write-baseline", "--stdin-filename"),
    "--show-settings",
)
"""Options with which files are written, or something else than files is read or told."""
TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is pl-lint's cache; delete it at"
    " will. See https://bford.info/cachedir/\n"
)


class Answers:
    """Where answers are kept, and the question of this run."""

    def __init__(self, folder: str, question: str) -> None:
        self.question = question
        self._folder = folder
        name = f"{zlib.crc32(question.encode(*_CODEC)):08x}"
        self._file = os.path.join(folder, f"{ANSWER}{name}")
        self.parts = os.path.join(folder, f"{PARTS}{name}")
        """Where what was found in each part is kept, for when the answer does not hold."""

    def known(self) -> tuple[str, int] | None:
        """The text and exit code of the same question, if nothing has changed since."""
        try:
            with open(self._file, "rb") as file:
                head, _, body = file.read().partition(b"\0")
            if head != b"%08x" % zlib.crc32(body):
                return None
            question, status, text, *trail = body.decode(*_CODEC).split("\0")
            unchanged = question == self.question and _holds(trail)
            return (text, int(status)) if unchanged else None
        except (OSError, ValueError):
            return None

    def prepare(self) -> None:
        """Make the folder before anything is looked at: making it changes the folder around it."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            for name, content in ((".gitignore", "*\n"), ("CACHEDIR.TAG", TAG)):
                path = os.path.join(self._folder, name)
                if not os.path.exists(path):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(content)
        except OSError:
            return

    def keep(self, text: str, status: int, trail: Trail) -> None:
        """Write an answer down, unless a change could go unnoticed."""
        _saw_program(trail)
        parts = [self.question, str(status), text]
        for path, found in trail.states.items():
            parts += (path, found)
        if not trail.certain or not trail.holds() or any("\0" in part for part in parts):
            return
        body = "\0".join(parts).encode(*_CODEC)
        put(self._file, b"%08x\0" % zlib.crc32(body) + body)


_CODEC = ("utf-8", "surrogatepass")


def answers_to(arguments: list[str]) -> Answers | None:
    """Where the answer to a command line is; None where it is to be worked out anew."""
    if any(argument.partition("=")[0] in UNKEPT for argument in arguments):
        return None
    return Answers(_folder(), _question(arguments))


def _question(arguments: list[str]) -> str:
    """All that the answer depends on but files. The program's own state makes it hard to forge."""
    shown = (sys.stdout.isatty(), *map(os.environ.get, ("NO_COLOR", "TERM", "COLUMNS")))
    program = (__version__, __file__, state(__file__), sys.version, sys.prefix)
    return repr((program, os.getcwd(), arguments, shown)).replace("\0", "")


def _folder() -> str:
    """``$PL_LINT_CACHE_DIR``, or beside the project's own configuration."""
    if given := os.environ.get(VARIABLE):
        return os.path.abspath(given)
    here = folder = os.getcwd()
    while not any(os.path.exists(os.path.join(folder, mark)) for mark in MARKS):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return os.path.join(here, FOLDER)
    return os.path.join(folder, FOLDER)


def _holds(trail: list[str]) -> bool:
    return all(map(unchanged, trail[::2], trail[1::2]))


def _saw_program(trail: Trail) -> None:
    """What is loaded beyond Python itself, and the folders that it lies in: a rule that is added,
    a table that is edited, a library of another version."""
    standard = os.path.dirname(os.__file__)
    others = os.path.join(standard, "site-packages")
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and (not file.startswith(standard) or file.startswith(others)):
            trail.saw(file)
            trail.saw(os.path.dirname(file))
            if not module.__name__.count("."):
                trail.saw(os.path.dirname(os.path.dirname(file)))
    facts = os.path.join(os.path.dirname(os.path.dirname(__file__)), "facts")
    for name in os.listdir(facts):
        if name.endswith(".json"):
            trail.saw(os.path.join(facts, name))


def put(file: str, data: bytes) -> None:
    """Write a file of the cache, if that can be done."""
    try:
        _replace(file, data)
        _forget_oldest(os.path.dirname(file), os.path.basename(file).partition("-")[0])
    except OSError:
        return


def _replace(file: str, data: bytes) -> None:
    """In one step: another run sees the old answer or the new one."""
    written = f"{file}.{os.getpid()}"
    try:
        with open(written, "wb") as stream:
            stream.write(data)
        os.replace(written, file)
    except OSError:
        if os.path.exists(written):
            os.unlink(written)
        raise


def _forget_oldest(folder: str, kind: str) -> None:
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if entry.name.startswith(f"{kind}-")]
    if len(kept) > MOST:
        for entry in sorted(kept, key=lambda one: one.stat().st_mtime_ns)[:-MOST]:
            os.unlink(entry.path)
