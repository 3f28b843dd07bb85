"""How a run went, as plain data with one sentence that says what to look at."""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pl_lint.runtime.isolation import process
from pl_lint.runtime.isolation.wire import Ending, Files, Frame

Status = Literal["finished", "raised", "exited", "crashed", "hung", "flooded"]
TAIL = 4096
"""Bytes of each output that an outcome keeps."""
FRAME = re.compile(r'^\s+File "(?P<path>.+)", line (?P<line>\d+) in (?P<function>.+)$')
COLLECTIVES = os.path.join("torch", "distributed", "distributed_c10d.py")
"""Where the calls stand in which ranks wait for each other."""
OURS = (process.__file__, process.__file__.replace("process.py", "template.py"))


@dataclass(frozen=True)
class RunOutcome:
    """What is left of a run, one entry per rank in each list.

    ``phase`` is "import" while the case file was being imported, "run" after that. ``exits`` are
    exit codes or names of signals; the first rank to fail is ``culprit``, the others often fail
    because of it.
    """

    status: Status
    message: str
    directory: str
    seconds: float
    phase: Literal["import", "run"] = "run"
    culprit: int | None = None
    exits: list[int | str] = field(default_factory=list)
    endings: list[Ending | None] = field(default_factory=list)
    stacks: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.status == "finished"

    @property
    def error(self) -> Ending | None:
        """The exception or exit that ended the run, where there is one to show."""
        return None if self.culprit is None else self.endings[self.culprit]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the records, which stay in their own files."""
        return {
            name: v for name, v in asdict(replace(self, records=[])).items() if name != "records"
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunOutcome:
        endings = [each and Ending.from_dict(each) for each in data["endings"]]
        records = read_records(Files(data["directory"]), len(data["exits"]))
        return cls(**{**data, "endings": endings, "records": records})


@dataclass
class Observed:
    """What the client saw of a run (or an import) while it went."""

    ranks: int
    limit: float
    verdict: Literal["hung", "flooded"] | None = None
    phase: Literal["import", "run"] = "run"
    codes: dict[int, int] = field(default_factory=dict)
    """Exit codes by rank, in the order in which they came; those that we killed come last."""
    seconds: float = 0.0
    flood: int = 0


def read_records(files: Files, ranks: int) -> list[dict[str, Any]]:
    """The records of those ranks that wrote one; half of one, from a run cut short, is none."""
    records = []
    for rank in range(ranks):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            records.append(json.loads(files.record(rank).read_text("utf-8")))
    return records


def read_ending(path: Path) -> Ending | None:
    return Ending.from_dict(json.loads(path.read_text("utf-8"))) if path.exists() else None


def tail(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode("utf-8", "replace")


def exit_name(code: int) -> int | str:
    """``-11`` is "SIGSEGV"."""
    if code >= 0:
        return code
    known = {each.value: each.name for each in signal.Signals}
    return known.get(-code, f"signal {-code}")


def main_threads(stacks: str) -> Iterator[list[Frame]]:
    """The main threads in a file of faulthandler's dumps, deepest frame first: a rank's own, then
    its workers'. A main thread is one that began in our code."""
    for section in re.split(r"^(?=(?:Current thread|Thread) 0x)", stacks, flags=re.MULTILINE):
        found = [match for line in section.splitlines() if (match := FRAME.match(line))]
        frames = [Frame(each["path"], int(each["line"]), each["function"]) for each in found]
        if any(frame.path in OURS for frame in frames):
            yield frames


def place(stacks: str, root: str) -> str:
    """Where the user's code was, in words: the rank's main thread, else one of its workers."""
    threads = list(main_threads(stacks))
    for index, frames in enumerate(threads):
        user = [frame for frame in frames if process.is_user_code(frame.path)]
        if user and (index == 0 or user[0] != _first_user(threads[0])):
            return f"{'a worker' if index else 'the main thread'} was at {user[0].shown(root)}"
    return f"the main thread was at {threads[0][0].shown(root)}" if threads and threads[0] else ""


def path_of(stacks: str, root: str) -> str:
    """The user's way to where a rank was, in words: its lines, outermost first, and the call of
    torch.distributed that waits there, if one does. Where a worker of it was, if it has no line."""
    frames = next(main_threads(stacks), [])
    user = [frame for frame in reversed(frames) if process.is_user_code(frame.path)]
    waiting = next((frame.function for frame in frames if _is_collective(frame)), "")
    lines = [_with_source(frame, root) for frame in user]
    if not lines and not waiting:
        return place(stacks, root)
    call = waiting if lines or not waiting else f"Lightning's {waiting}"
    return "the main thread was at " + " > ".join([*lines, *([call] if call else [])])


def _is_collective(frame: Frame) -> bool:
    return frame.path.endswith(COLLECTIVES) and not frame.function.startswith("_")


def _with_source(frame: Frame, root: str) -> str:
    """``model.py:31 in training_step (`self.wait()`)``."""
    text = linecache.getline(frame.path, frame.line).strip()
    return frame.shown(root) + (f" (`{text}`)" if text else "")


def _first_user(frames: list[Frame]) -> Frame | None:
    return next((frame for frame in frames if process.is_user_code(frame.path)), None)


def judge(observed: Observed, files: Files, where: Files, root: str, case: str) -> RunOutcome:
    """Turn what was seen into an outcome. ``where`` holds the outputs (a failed import has its
    own directory), ``files`` is the run's."""
    ranks = range(observed.ranks)
    endings = [read_ending(where.ending(rank)) for rank in ranks]
    stacks = [tail_of_stacks(where.stacks(rank)) for rank in ranks]
    culprit = first_failure(observed, endings)
    status = status_of(observed, endings, culprit)
    sentence = Sentence(observed, endings, stacks, culprit, root, case)
    return RunOutcome(
        status=status,
        message=getattr(sentence, status)(),
        directory=str(files.directory),
        seconds=round(observed.seconds, 4),
        phase=observed.phase,
        culprit=culprit,
        exits=[exit_name(observed.codes.get(rank, -signal.SIGKILL)) for rank in ranks],
        endings=endings,
        stacks=stacks,
        outputs=[tail(where.output(rank)) for rank in ranks],
        errors=[tail(where.errors(rank)) for rank in ranks],
        records=read_records(files, observed.ranks),
    )


def tail_of_stacks(path: Path) -> str:
    return path.read_text("utf-8", "replace")[:50_000] if path.exists() else ""


def first_failure(observed: Observed, endings: list[Ending | None]) -> int | None:
    """The rank that failed first; the others then fail for lack of it."""
    for rank, code in observed.codes.items():
        ending = endings[rank]
        if code != 0 or ending is None or ending.how != "returned":
            return rank
    return None


def status_of(observed: Observed, endings: list[Ending | None], culprit: int | None) -> Status:
    if observed.verdict is not None:
        return observed.verdict
    if culprit is None:
        return "finished"
    ending = endings[culprit]
    if ending is not None and ending.how != "returned":
        return "raised" if ending.how == "raised" else "exited"
    return "crashed" if observed.codes[culprit] < 0 else "exited"


@dataclass(frozen=True)
class Sentence:
    """The message of an outcome, one method per status."""

    observed: Observed
    endings: list[Ending | None]
    stacks: list[str]
    culprit: int | None
    root: str
    case: str

    def finished(self) -> str:
        return f"finished in {self.observed.seconds:.1f} s"

    def hung(self) -> str:
        subject = self._subject("the module")
        limit = f"no result after {self.observed.limit:g} s"
        return "; ".join([f"{subject} hung: {limit}", *self._places()])

    def flooded(self) -> str:
        megabytes = self.observed.flood / 2**20
        said = f"{self._subject('the module')} printed more than {megabytes:g} MB"
        return "; ".join([said, *self._places()])

    def raised(self) -> str:
        ending = self._ending()
        first = ending.message.strip().split("\n")[0]
        said = f"{ending.type}: {first}" if first else ending.type
        at = f" at {ending.frame.shown(self.root)}" if ending.frame else ""
        return f"{self._subject('the module')} raised {said}{at}{self._of_rank()}"

    def exited(self) -> str:
        if self.culprit is None or self.endings[self.culprit] is None:
            code = self.observed.codes[self.culprit or 0]
            said = f"ended its process with exit code {code} before the run was done (os._exit?)"
            return f"{self._subject('the module')} {said}{self._of_rank()}"
        ending = self._ending()
        frame = ending.frame
        inside = frame is not None and self.observed.phase == "run"
        who = frame.function if inside else self._subject("the module")
        at = f" at {frame.path_and_line(self.root)}" if frame else ""
        return f"{who} called sys.exit({ending.code}){at}{self._of_rank()}"

    def crashed(self) -> str:
        rank = self.culprit or 0
        name = exit_name(self.observed.codes[rank])
        at = place(self.stacks[rank], self.root)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        said = f"the process died with {name}{hint}{self._of_rank()}"
        if self.observed.phase == "import":
            said = f"{said} while importing {self.case}"
        return f"{said}; {at}" if at else said

    def _subject(self, otherwise: str) -> str:
        return f"importing {self.case}" if self.observed.phase == "import" else otherwise

    def _of_rank(self) -> str:
        return f" (rank {self.culprit} of {self.observed.ranks})" if self.observed.ranks > 1 else ""

    def _ending(self) -> Ending:
        ending = self.endings[self.culprit or 0]
        assert ending is not None
        return ending

    def _places(self) -> list[str]:
        """Where each rank was when it was stopped; of several ranks all the user's lines, because
        they wait for each other by different ways."""
        if self.observed.ranks == 1:
            return [text for text in (place(self.stacks[0], self.root),) if text]
        found = [path_of(text, self.root) for text in self.stacks]
        return [f"on rank {rank} {text}" for rank, text in enumerate(found) if text]
