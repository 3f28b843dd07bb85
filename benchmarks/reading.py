"""What `pl-lint` costs, beside what nobody can do without: starting Python and parsing the files.

`python benchmarks/reading.py [FOLDERS]`: one file of the demo, and a tree of at least 1,000 files:
the FOLDERS, or else the sources of the torch, torchmetrics and Lightning that are installed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from clock import medians, print_table

DEMO = Path(__file__).resolve().parent.parent / "fixtures" / "demo"
PACKAGES = ("lightning", "pytorch_lightning", "torchmetrics", "torch")
ENOUGH = 1_000
NOTHING, PARSED, READ = "python -c pass", "ast.parse of all files", "pl-lint"
RELEVANT = "ast.parse of the files that mention Lightning"
PARSE = """\
import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
for path in sys.argv[2:]:
    files = sorted(pathlib.Path(path).rglob("*.py")) if pathlib.Path(path).is_dir() else [path]
    for file in files:
        data = pathlib.Path(file).read_bytes()
        if sys.argv[1] == "all" or relevant(data):
            ast.parse(data)
"""
FILTER = "from pl_lint.static.sources import mentions_lightning as relevant\n"


def main() -> None:
    compare("one file", [DEMO / "flowers" / "species.py"], rounds=10)
    compare("the demo project", [DEMO], rounds=10)
    tree = [Path(name) for name in sys.argv[1:]] or installed()
    count = sum(1 for folder in tree for _ in folder.rglob("*.py"))
    if count < ENOUGH:
        raise SystemExit(f"{count} files are too few; name folders with {ENOUGH} or more")
    compare(f"a tree of {count:,} files ({', '.join(one.name for one in tree)})", tree, rounds=3)


def compare(title: str, paths: list[Path], rounds: int) -> None:
    names = [str(path) for path in paths]
    python, script = sys.executable, str(Path(sys.executable).parent / "pl-lint")
    commands = {
        NOTHING: [python, "-c", "pass"],
        PARSED: [python, "-c", PARSE, "all", *names],
        RELEVANT: [python, "-c", FILTER + PARSE, "relevant", *names],
        READ: [script, *names],
    }
    print_table(f"pl-lint on {title}", medians(commands, rounds), unit=PARSED)


def installed() -> list[Path]:
    found = [find_spec(name) for name in PACKAGES]
    return [Path(spec.origin).parent for spec in found if spec is not None and spec.origin]


if __name__ == "__main__":
    main()
