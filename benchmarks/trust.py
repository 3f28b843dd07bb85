"""Whether any file upsets `pl-lint`: other people's code by the thousand, as it is and damaged.

    python benchmarks/trust.py [FOLDERS] [--files N] [--processes N] [--json FILE] [--programs N]

Takes N Python files of the FOLDERS (else of the standard library with its tests, and of everything
that is installed beside pl-lint), a quarter of them as they are, a quarter as if each of their
classes were a LightningModule, the others damaged in a way of ``tests/static/damage.py``; and N
programs that hypothesmith writes. Each goes through the whole command beside a sound file with a
known mistake; where something is found in it, it is shown in another format and mended, too. It
fails where the command raises, dies or takes longer than ``LIMIT``, where a broken file has no
message or more than one, where a finding stands outside its file or the file is broken by mending,
and where the known mistake beside it is not told.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import io
import json
import os
import random
import resource
import signal
import sys
import sysconfig
import tempfile
import time
import tokenize
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "static"))

from damage import ALL, damaged  # noqa: E402

LIMIT = 60
"""Seconds of processor time for one file; people wait for none so long."""
MEMORY = 6 * 2**30
NEIGHBOUR = """\
import lightning.pytorch as pl
import torchmetrics


class Sound(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = torchmetrics.F1Score(task="binary")

    def validation_step(self, batch, batch_idx):
        self.f1.update(self(batch[0]), batch[1])
        self.log("val/f1", self.f1.compute(), on_epoch=True)
"""
KNOWN = "LTN101"
REFUSED = ("deep", "too much")
"""Words of the messages about files that Python would read."""
FORMATS = ("text", "json", "sarif", "github", "concise")


@dataclass(frozen=True)
class Subject:
    """A file, what is done to it, and the chance that it is done with."""

    path: str
    kind: str

    @property
    def seed(self) -> str:
        return f"{self.kind}:{hashlib.sha1(self.path.encode()).hexdigest()}"

    def data(self) -> bytes:
        if self.kind == "program":
            return program(self.path) + b"\n# lightning\n"
        return damaged(Path(self.path).read_bytes(), self.kind, self.seed)


@dataclass(frozen=True)
class Outcome:
    """What became of it; ``wrong`` is empty where all is well."""

    path: str
    kind: str
    seconds: float
    megabytes: float
    readable: bool
    findings: int
    wrong: str


def program(seed: str) -> bytes:
    """A program that hypothesmith writes."""
    import hypothesmith
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    kept: list[str] = []

    @seeded(int(seed))
    @settings(
        max_examples=10,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hypothesmith.from_node())
    def collect(code: str) -> None:
        kept.append(code)

    collect()
    return max(kept, key=len).encode("utf-8", "surrogatepass")


# --- one file -------------------------------------------------------------------------------------


def judged(subject: Subject, folder: Path) -> Outcome:
    """One file through the whole command; never raises."""
    for old in folder.iterdir():
        old.unlink()
    data = subject.data()
    (folder / "subject.py").write_bytes(data)
    (folder / "neighbour.py").write_text(NEIGHBOUR)
    before = time.process_time()
    try:
        told = json.loads(command("--output-format", "json", folder))
        wrong = misjudged(told, data)
        if any(_of(one, "subject.py") for one in told["findings"]):
            other = random.Random(subject.seed).choice(FORMATS)
            command("--output-format", other, folder)
            mended(folder)
    except Exception:
        told, wrong = {"unreadable": [], "findings": []}, traceback.format_exc(limit=-6)
    taken = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(
        subject.path,
        subject.kind,
        round(taken, 3),
        round(peak),
        not told["unreadable"],
        len(told["findings"]),
        wrong,
    )


def command(*arguments: str | Path) -> str:
    from pl_lint.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as told:
        status = main(["check", "--select", "ALL", "--no-cache", *map(str, arguments)])
    if status not in (0, 1, 2):
        raise AssertionError(f"exit code {status}")
    return told.getvalue()


def misjudged(told: dict[str, list[dict[str, object]]], data: bytes) -> str:
    """What is wrong with a report; empty where nothing is."""
    own = [one for one in told["unreadable"] if str(one["path"]).endswith("subject.py")]
    messages = [str(one["message"]) for one in own]
    if len(told["unreadable"]) > 1 or len(own) != len(told["unreadable"]):
        return f"not one message for one file: {messages}"
    if any(not text or "\n" in text or len(text) > 300 for text in messages):
        return f"not a clear message: {messages}"
    if not any(one["code"] == KNOWN for one in told["findings"] if _of(one, "neighbour.py")):
        return "the known mistake beside it is not told"
    refused = any(word in text for word in REFUSED for text in messages)
    if parses(data) is bool(own) and not refused:
        return f"it parses: {parses(data)}, and yet: {messages}"
    lines = len(data.decode("utf-8", "replace").replace("\r", "\n").split("\n"))
    places = [int(str(one["line"])) for one in told["findings"] if _of(one, "subject.py")]
    return f"outside of the file: {places}" if any(not 0 < at <= lines for at in places) else ""


def _of(finding: dict[str, object], name: str) -> bool:
    return str(finding["path"]).endswith(name)


def parses(data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            ast.parse(data.decode(encoding))
    except (SyntaxError, ValueError, RecursionError, MemoryError, LookupError):
        return False
    return True


def mended(folder: Path) -> None:
    """The command mends: what parsed before does so afterwards."""
    file = folder / "subject.py"
    before = parses(file.read_bytes())
    command("--fix", "--unsafe-fixes", folder)
    if before and not parses(file.read_bytes()):
        raise AssertionError("mending broke it")


# --- many files -----------------------------------------------------------------------------------


def work(jobs: Connection, folder: str) -> None:
    """A worker: judges what it is sent until it is sent nothing."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(folder)
    place = Path(folder) / "read"
    place.mkdir()
    while (subject := jobs.recv()) is not None:
        jobs.send(judged(subject, place))


class Worker:
    """A process that may die, and whose death is an outcome too."""

    def __init__(self) -> None:
        self.busy: Subject | None = None
        self._start()

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        context = get_context("forkserver")
        self.pipe, other = context.Pipe()
        self._process: BaseProcess = context.Process(target=work, args=(other, self._folder.name))
        self._process.start()
        other.close()

    def give(self, subject: Subject | None) -> None:
        self.busy, self._since = subject, time.monotonic()
        self.pipe.send(subject)

    def finished(self) -> Outcome | None:
        """What became of its file, once that is known."""
        assert self.busy is not None
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except EOFError:
            return self._replaced("the process died")
        if time.monotonic() - self._since > 10 * LIMIT:
            return self._replaced(f"no end after {10 * LIMIT} s")
        return None

    def _replaced(self, why: str) -> Outcome:
        subject, taken = self.busy, time.monotonic() - self._since
        assert subject is not None
        self._process.kill()
        self._process.join()
        self._folder.cleanup()
        self._start()
        return Outcome(subject.path, subject.kind, round(taken, 3), 0, False, 0, why)

    def stop(self) -> None:
        self.give(None)
        self._process.join()
        self._folder.cleanup()


def outcomes(subjects: Iterable[Subject], processes: int) -> Iterator[Outcome]:
    waiting = iter(subjects)
    workers = [Worker() for _ in range(processes)]
    try:
        for worker in workers:
            if (subject := next(waiting, None)) is not None:
                worker.give(subject)
        while busy := [worker for worker in workers if worker.busy]:
            wait([worker.pipe for worker in busy], timeout=5)
            for worker in busy:
                outcome = worker.finished()
                if outcome is not None:
                    worker.busy = None
                    yield outcome
                    if (subject := next(waiting, None)) is not None:
                        worker.give(subject)
    finally:
        for worker in workers:
            if not worker.busy:
                worker.stop()


def chosen(folders: Sequence[Path], files: int, programs: int) -> Iterator[Subject]:
    """The files, spread evenly over what there is, in the same order each time."""
    found = sorted({str(path) for folder in folders for path in folder.rglob("*.py")})
    random.Random(0).shuffle(found)
    damage = [kind for kind in ALL if kind not in ("as it is", "as Lightning")]
    kinds = [kind for one in damage for kind in ("as it is", one, "as Lightning", one)]
    for number, path in enumerate(found[:files]):
        if Path(path).is_file():
            yield Subject(path, kinds[number % len(kinds)])
    yield from (Subject(str(number), "program") for number in range(programs))


def main() -> None:
    options = _options()
    folders = options.folders or [Path(sysconfig.get_path(one)) for one in ("stdlib", "purelib")]
    kept: list[Outcome] = []
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(options.json.open("w")) if options.json else None
        for outcome in outcomes(
            chosen(folders, options.files, options.programs), options.processes
        ):
            kept.append(outcome)
            if outcome.wrong or outcome.seconds > LIMIT:
                print(f"{outcome.path} ({outcome.kind}), {outcome.seconds} s: {outcome.wrong}")
            if log is not None:
                print(json.dumps(asdict(outcome)), file=log, flush=True)
    report(kept, time.monotonic() - started)
    sys.exit(any(one.wrong or one.seconds > LIMIT for one in kept))


def report(kept: Sequence[Outcome], taken: float) -> None:
    """How many of each kind, how many went wrong, and what they took."""
    print(f"\n{len({one.path for one in kept})} files, {len(kept)} readings, {taken:.0f} s\n")
    print(f"{'':<16} {'read':>6} {'broken':>6} {'wrong':>6} {'median':>7} {'99 %':>7} {'most':>7}")
    for kind, count in Counter(one.kind for one in kept).items():
        own = [one for one in kept if one.kind == kind]
        times = sorted(one.seconds for one in own)
        wrong = sum(bool(one.wrong) for one in own)
        broken = sum(not one.readable for one in own)
        shown = [times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]]
        columns = " ".join(f"{one:>7.2f}" for one in shown)
        print(f"{kind:<16} {count:>6} {broken:>6} {wrong:>6} {columns}")
    print(f"\nmost memory of one process: {max(one.megabytes for one in kept):.0f} MB; slowest:")
    for one in sorted(kept, key=lambda one: -one.seconds)[:10]:
        print(f"{one.seconds:>8.2f} s  {one.path} ({one.kind})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
