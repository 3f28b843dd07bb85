"""``pl-lint check``: read, mend if asked to, leave out what is known, tell the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pl_lint import baseline
from pl_lint.cli.answers import Answers
from pl_lint.cli.exits import USAGE_ERROR, refuse
from pl_lint.cli.memory import Memory
from pl_lint.cli.options import mistaken
from pl_lint.config import Config, ConfigError, load, nearest_file
from pl_lint.findings import Finding
from pl_lint.plain import field, frozen, replace
from pl_lint.report.result import FOUND, Result, in_order
from pl_lint.static.engine import Reading, read
from pl_lint.static.schedule import Schedule, on_all_cores
from pl_lint.static.sources import Contents, Unfinished, lines_of, read_bytes
from pl_lint.trail import Trail

if TYPE_CHECKING:
    from pl_lint.rules.registry import Rule

T = TypeVar("T")


def check(options: argparse.Namespace, answers: Answers | None = None) -> int:
    """Do what the command line asks for; its exit code. The answer is kept in ``answers``."""
    try:
        return _check(options, answers)
    except ConfigError as error:
        return refuse(str(error))
    except BrokenPipeError:  # of standard output; whoever calls knows what to do
        raise
    except OSError as error:
        return refuse(f"{error.filename or 'standard input'}: {error.strerror or error}")


def _check(options: argparse.Namespace, answers: Answers | None) -> int:
    wrong = None if options.stdin_filename else mistaken(options.paths)
    if wrong:
        return refuse(wrong)
    if answers:
        answers.prepare()
    job = _job(options)
    if answers:
        job = replace(job, each=Memory(answers.parts, on_all_cores, job.trail))
    if options.show_settings:
        return _show_settings(job, options.config)
    if options.diff:
        return _show_diff(job)
    reading, fixed = _fixed(job) if options.fix else (job.read(), ())
    reading = job.asked_for(reading)
    if options.write_baseline:
        return _write_baseline(options.write_baseline, reading, job.config)
    result = replace(_without_known(reading, options.baseline, job), fixed=fixed)
    text, status = _told(result, options)
    (sys.stderr if options.fix and job.from_stdin else sys.stdout).write(text)
    if answers:
        answers.keep(text, status, job.trail)
    return status


def _told(result: Result, options: argparse.Namespace) -> tuple[str, int]:
    """What is printed, and the exit code."""
    tell = _print_statistics if options.statistics else _FORMATS[options.output_format]
    text = "".join(f"{piece}\n" for piece in tell(result))
    return text, 0 if options.exit_zero and result.exit_code == FOUND else result.exit_code


# --- what is to be done ---------------------------------------------------------------------------


class Lazily(Iterable[T]):
    """What is only worked out for those who look at it."""

    def __init__(self, made: Callable[[], Iterable[T]]) -> None:
        self._made = made

    def __iter__(self) -> Iterator[T]:
        return iter(self._made())


def _rules() -> Iterable[Rule]:
    """Every rule. They are many modules, and a commit without Lightning code waits for none."""
    from pl_lint.rules.registry import all_rules

    return all_rules()


@frozen
class Job:
    """What is read, with which settings; ``stdin`` is the file that comes by standard input."""

    paths: tuple[Path, ...]
    config: Config
    rules: Iterable[Rule]
    contents: Contents = read_bytes
    stdin: Path | None = None
    each: Schedule = on_all_cores
    trail: Trail = field(default_factory=Trail)

    @property
    def from_stdin(self) -> bool:
        return self.stdin is not None

    def read(self) -> Reading:
        return read(self.paths, self.config, self.rules, self.contents, self.trail, self.each)

    def asked_for(self, reading: Reading) -> Reading:
        """Of a file that comes by standard input only its own findings."""
        if self.stdin is None:
            return reading
        name = os.path.abspath(self.stdin)
        own = (one for one in reading.findings if os.path.abspath(one.location.path) == name)
        return replace(reading, findings=tuple(own))


def _job(options: argparse.Namespace) -> Job:
    stdin = options.stdin_filename
    named = [path for path in options.paths if stdin is None or str(path) != "-"]
    paths = tuple(named or [stdin or Path(".")])
    rules, trail = Lazily(_rules), Trail()
    codes = Lazily(lambda: (rule.code for rule in rules))
    config = load(paths, _overrides(options), codes, options.config, trail)
    if stdin is None:
        return Job(paths, config, rules, trail=trail)
    data = sys.stdin.buffer.read()
    name = os.path.abspath(stdin)

    def contents(path: Path) -> Any:
        return data if os.path.abspath(path) == name else read_bytes(path)

    inside = any(Path(name).is_relative_to(os.path.abspath(path)) for path in paths)
    return Job(paths if inside else (*paths, stdin), config, rules, contents, stdin)


def _without_known(reading: Reading, file: Path | None, job: Job) -> Result:
    """What there is to tell beyond what stands in the baseline."""
    if file is None:
        return _result(reading, job)
    job.trail.saw(os.path.abspath(file))
    new, known = baseline.load(file).parted(reading.findings, lines_of)
    return replace(_result(replace(reading, findings=new), job), known=known)


def _overrides(options: argparse.Namespace) -> Mapping[str, Any]:
    keys = (
        *("select", "extend-select", "ignore", "exclude", "preview"),
        *("unsafe-fixes", "fail-on", "target"),
    )
    given = {key: getattr(options, key.replace("-", "_")) for key in keys}
    return {key: value for key, value in given.items() if value is not None}


def _result(reading: Reading, job: Job) -> Result:
    return Result(
        findings=in_order(reading.findings),
        unreadable=tuple(sorted(reading.unreadable, key=lambda one: one.location)),
        files=reading.files,
        relevant=reading.relevant,
        judged=reading.judged,
        warnings=reading.warnings,
        config=job.config,
        rules=job.rules,
    )


# --- fixes and baselines --------------------------------------------------------------------------


def _fixed(job: Job) -> tuple[Reading, tuple[Finding, ...]]:
    """Mend the files, or print the mended source of the one that came by standard input."""
    from pl_lint.static.fixing.loop import mend

    mended = mend(job.paths, job.config, job.rules, job.contents, job.stdin)
    if job.stdin is None:
        mended.write()
    else:
        name = os.path.abspath(job.stdin)
        after = (doc.data for path, doc in mended.after.items() if os.path.abspath(path) == name)
        data = next(after, job.contents(job.stdin))
        sys.stdout.buffer.write(data if isinstance(data, bytes) else b"")
    return mended.reading, mended.fixed


def _show_settings(job: Job, file: Path | None) -> int:
    from pl_lint.cli.settings import render

    file = file or nearest_file(job.paths, job.trail)
    print("\n".join(render(_result(job.read(), job), file)))
    return 0


def _show_diff(job: Job) -> int:
    """Print the patch; 1 where there is one. Of fixes that are not in it, beside the patch."""
    from pl_lint.report.text import about_unsafe_fixes
    from pl_lint.static.fixing.loop import mend

    mended = mend(job.paths, job.config, job.rules, job.contents, job.stdin)
    print(mended.diff(), end="")
    left = () if job.config.unsafe_fixes else about_unsafe_fixes(_result(mended.reading, job))
    for line in left:
        print(line, file=sys.stderr)
    return FOUND if mended.after else 0


def _write_baseline(file: Path, reading: Reading, config: Config) -> int:
    from pl_lint.report.text import amount
    from pl_lint.static.fixing.loop import replace_file

    folder = file.resolve().parent
    if not folder.is_dir():
        return refuse(f"{folder}: no such folder to write {file.name} into; make it first")
    text = baseline.dumps(baseline.of(reading.findings, lines_of, folder))
    replace_file(file, text.encode("utf-8"))
    print(f"{amount(reading.findings, config)} written to {file}")
    broken = [one for one in reading.unreadable if not isinstance(one, Unfinished)]
    for one in broken:  # of these nothing is in the file, and the next run would stop at them
        print(f"{one.location}: {one.verdict}: {one.message}", file=sys.stderr)
    return USAGE_ERROR if broken else 0


# --- what is told ---------------------------------------------------------------------------------


def _text(result: Result) -> Iterable[str]:
    from pl_lint.report.text import COLOURED, PLAIN, render

    # Colours for people only: https://no-color.org.
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return render(result, lines_of, COLOURED if sys.stdout.isatty() and not unwanted else PLAIN)


def _concise(result: Result) -> Iterable[str]:
    from pl_lint.report.concise import render

    return render(result)


def _json(result: Result) -> Iterable[str]:
    from pl_lint.report.json import render

    return (render(result),)


def _sarif(result: Result) -> Iterable[str]:
    from pl_lint.report.sarif import render

    return (render(result),)


def _github(result: Result) -> Iterable[str]:
    from pl_lint.report.github import render

    return render(result, lines_of)


_FORMATS: Mapping[str, Callable[[Result], Iterable[str]]] = {
    "text": _text,
    "concise": _concise,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}


def _print_statistics(result: Result) -> Iterator[str]:
    """Each code with its number of findings, the most frequent first."""
    from collections import Counter

    counted: Sequence[tuple[str, int]] = Counter(one.code for one in result.findings).most_common()
    for code, count in sorted(counted, key=lambda pair: (-pair[1], pair[0])):
        yield f"{count:>5}  {code}  {result.names.get(code, '')}"
    yield from (f"{one.verdict}: {one.location}" for one in result.unreadable)
    yield from (f"warning: {one}" for one in result.warnings)
    if not result.files:
        yield "no Python file found"
