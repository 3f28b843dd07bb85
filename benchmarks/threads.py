"""What pl-lint and others notice of silent bugs from public issue threads.

Every bug is a pair of short programs in `fixtures/threads`: the sick one, and a healthy twin that
differs by a few lines. A tool has noticed a bug if it says something of the sick program that it
does not say of the twin; nobody has to judge whether a message speaks of the fault. pl-lint must
also give it the right code.

The others are Lightning itself (its warnings in plain runs, on two ranks or in half precision where
the bug needs them), pytest-torch's zero-code battery on the same module, and TorchFix with all its
rules. `--tools` names the interpreter that has the last two; without them they are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures" / "threads"
sys.path.insert(0, str(FIXTURES))

from folders import HEALTHY, SICK, Thread, threads  # noqa: E402

Said = Mapping[Path, frozenset[str]]
"""What a tool says of each program, in words that do not depend on places and numbers."""

NOTHING, ABSENT = "-", "not installed"
SHIM = """\
import importlib.util

spec = importlib.util.spec_from_file_location("program", {program!r})
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)


def build():
    return [v for v in vars(program).values() if hasattr(v, "__pl_lint_case__")][-1]()[0]
"""


@dataclass(frozen=True)
class Tool:
    """A column of the table. ``said`` is None where the tool is not installed."""

    title: str
    said: Said | None

    def notices(self, thread: Thread) -> frozenset[str]:
        if self.said is None:
            return frozenset()
        sick, healthy = (self.said.get(program, frozenset()) for program in twins(thread))
        return sick - healthy

    def cell(self, thread: Thread) -> str:
        if self.said is None:
            return ABSENT
        return ", ".join(sorted({short(text) for text in self.notices(thread)})) or NOTHING


class PlLint(Tool):
    """Only findings with a right code count."""

    def notices(self, thread: Thread) -> frozenset[str]:
        found = super().notices(thread)
        return frozenset(text for text in found if text.split()[-1] in thread.codes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tools", default=sys.executable, help="interpreter with the other tools")
    parser.add_argument("names", nargs="*", help="only these folders")
    options = parser.parse_args()
    chosen = [thread for thread in threads() if thread.name in (options.names or [thread.name])]
    programs = [program for thread in chosen for program in twins(thread)]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        reads, runs = pl_lint(programs, scratch)
        tools = [
            PlLint("pl-lint reads", reads),
            PlLint("pl-lint runs", runs),
            Tool("Lightning", lightning(chosen)),
            Tool("pytest-torch", pytest_torch(programs, options.tools, scratch)),
            Tool("TorchFix", torchfix(programs, options.tools)),
        ]
    print_table(chosen, tools)
    print_details(chosen, tools[2:])
    print_blamed(chosen, reads, runs)


def twins(thread: Thread) -> tuple[Path, Path]:
    return thread.folder / SICK, thread.folder / HEALTHY


# What each tool says


def pl_lint(programs: Sequence[Path], scratch: Path) -> tuple[Said, Said]:
    """By reading, and by running. What a script does with a module is held against the module, so
    each program is copied to a folder of its own, and twins are checked apart."""
    reads: dict[Path, set[str]] = defaultdict(set)
    runs: dict[Path, set[str]] = defaultdict(set)
    for which in (SICK, HEALTHY):
        copies = {copy_of(each, scratch): each for each in programs if each.name == which}
        told = pl_report(copies, scratch)
        for finding in told["read"]:
            reads[copies[scratch / finding["path"]]].add(finding["code"])
        for item in told["run"]:
            for finding in item["findings"] if item["check"] != "reading" else ():
                runs[copies[scratch / item["path"]]].add(f"{item['check']} {finding['code']}")
    return frozen(reads), frozen(runs)


def pl_report(programs: Iterable[Path], scratch: Path) -> Mapping[str, Any]:
    report = scratch / "pl-lint.json"
    call(
        [sys.executable, "-m", "pytest", "--pl-check", "--pl-report", str(report), "-q"],
        ["-p", "no:cacheprovider", *map(str, programs)],
        cwd=scratch,
    )
    told: Mapping[str, Any] = json.loads(report.read_text("utf-8"))
    return told


def copy_of(program: Path, scratch: Path) -> Path:
    name = f"{program.parent.name}_{program.stem}"
    copy = scratch / name / f"{name}.py"
    copy.parent.mkdir()
    shutil.copyfile(program, copy)
    return copy


def lightning(chosen: Sequence[Thread]) -> Said:
    pairs = [(program, thread.shows_with) for thread in chosen for program in twins(thread)]
    orders = [{"program": str(program), "settings": dict(with_)} for program, with_ in pairs]
    done = call([sys.executable, str(HERE / "plain_runs.py")], stdin=json.dumps(orders))
    answers = json.loads(done.splitlines()[-1])
    return {
        program: frozenset(map(general, told))
        for (program, _), told in zip(pairs, answers, strict=True)
    }


def pytest_torch(programs: Sequence[Path], python: str, scratch: Path) -> Said | None:
    """The failing tests of ``pytest --torch-model=FILE:build``."""
    if not has(python, "pytest_torch"):
        return None
    models, report = [], scratch / "pytest-torch.xml"
    for number, program in enumerate(programs):
        shim = scratch / f"model_{number}.py"
        shim.write_text(SHIM.format(program=str(program)), encoding="utf-8")
        models.append(f"--torch-model={shim}:build")
    call(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--torch-device=cpu"],
        [f"--rootdir={scratch}", f"--junitxml={report}", *models],
        cwd=scratch,
    )
    failed: dict[Path, set[str]] = {program: set() for program in programs}
    for test in ElementTree.parse(report).getroot().iter("testcase"):
        name, _, parameters = test.attrib["name"].partition("[")
        number = re.search(r"model_(\d+)\.py", parameters)
        if number and (test.find("failure") is not None or test.find("error") is not None):
            failed[programs[int(number[1])]].add(name.removeprefix("test_"))
    return frozen(failed)


def torchfix(programs: Sequence[Path], python: str) -> Said | None:
    if not has(python, "torchfix"):
        return None
    said: dict[Path, set[str]] = defaultdict(set)
    command = [python, "-m", "torchfix", "--select=ALL", "--jobs=1"]  # several lose lines
    for line in call(command, map(str, programs)).splitlines():
        if found := re.match(r"(.+?):\d+:\d+: (TOR\d+) ", line):
            said[full(found[1])].add(found[2])
    return frozen(said)


def has(python: str, module: str) -> bool:
    command = [python, "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def call(
    command: Sequence[str],
    arguments: Iterable[str] = (),
    stdin: str | None = None,
    cwd: Path = HERE.parent,
) -> str:
    """Its output. Findings and failed tests (exit code 1) are a success here."""
    print(f"running {' '.join(command[1:4])} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [*command, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},  # the programs import pl_lint
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def full(path: str) -> Path:
    return (HERE.parent / path).resolve()


def frozen(said: Mapping[Path, set[str]]) -> Said:
    return {program: frozenset(texts) for program, texts in said.items()}


def general(message: str) -> str:
    """A message without what differs from run to run."""
    return re.sub(r"/\S+|0x[0-9a-f]+|\d+(\.\d+)?", "#", message)


def short(text: str) -> str:
    """The kind of a warning stands for its text, which is printed below the table."""
    return text.split(": ", 1)[0]


# The table


def print_table(chosen: Sequence[Thread], tools: Sequence[Tool]) -> None:
    print("\nSilent bugs of public issue threads: who notices\n")
    rows = [["bug", "row", *(tool.title for tool in tools)]]
    rows += [[t.name, t.row, *(tool.cell(t) for tool in tools)] for t in chosen]
    rows.append([f"noticed of {len(chosen)}", "", *(count(chosen, tool) for tool in tools)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def count(chosen: Sequence[Thread], tool: Tool) -> str:
    return ABSENT if tool.said is None else str(sum(bool(tool.notices(t)) for t in chosen))


def print_details(chosen: Sequence[Thread], others: Sequence[Tool]) -> None:
    print("\nThe threads, and what the others said of the sick program and not of its twin\n")
    for thread in chosen:
        print(f"{thread.name}: {thread.citation}, {thread.title!r}")
        for line in details(thread, others):
            print(f"    {line}")


def details(thread: Thread, others: Sequence[Tool]) -> Iterator[str]:
    for tool in others:
        for text in sorted(tool.notices(thread)):
            yield f"{tool.title}: {text}"


def print_blamed(chosen: Sequence[Thread], *said: Said) -> None:
    blamed = [t.name for t in chosen if any(each.get(t.folder / HEALTHY) for each in said)]
    print(f"\nHealthy twins that pl-lint blames: {', '.join(blamed) or 'none'} of {len(chosen)}.")


if __name__ == "__main__":
    main()
