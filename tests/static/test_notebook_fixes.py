"""Fixes in notebooks: lines of cells change, and nothing else of the JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pl_lint.cli import main
from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import Mended, mend

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rules"
MODULE = """\
class Net(L.LightningModule):
    def validation_step(self, batch, batch_idx):
        # as it is: é
        self.log("val_loss", self.loss(batch))"""


def code(source: str | list[str], **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "source": source, **more}


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def book(*cells: dict[str, Any]) -> dict[str, Any]:
    """Keys in an order that no program would choose."""
    return {"nbformat": 4, "cells": [*cells], "metadata": {"z": 1, "a": [1.50, 2]}}


def mended(path: Path, code: str) -> Mended:
    config = Config(root=path.parent, select=(code,), unsafe_fixes=True, preview=True)
    result = mend([path], config, all_rules())
    result.write()
    return result


IMPORT = code(lines("%pip install lightning\nimport lightning as L\nL.Trainer(devices=2)"))


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_does_not_change_stays_byte_for_byte(
    indent: int | str | None, ascii: bool, end: str, tmp_path: Path
) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": [MODULE]}
    cells = (
        IMPORT,
        code(lines(MODULE), outputs=[output]),
        {"cell_type": "markdown", "source": "é"},
    )
    text = json.dumps(book(*cells), indent=indent, ensure_ascii=ascii) + end
    path = tmp_path / "a.ipynb"
    path.write_text(text, "utf-8", newline="")
    assert len(mended(path, "LTN106").fixed) == 1
    old, new = (
        '"val_loss\\", self.loss(batch))"',
        '"val_loss\\", self.loss(batch), sync_dist=True)"',
    )
    start = text.index(f"        self.log(\\{old}", text.index('"source"', text.index(MODULE[:20])))
    expected = text[:start] + text[start:].replace(old, new, 1)
    assert path.read_text("utf-8") == expected.replace("\r\n", "\n")


def test_the_other_cells_of_a_notebook_with_a_broken_one_are_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "import lightning.pytorch as pl"
    cells = [head, "half written (", "trainer = pl.Trainer(gpus=1)"]
    written = [{"cell_type": "code", "source": [cell], "outputs": []} for cell in cells]
    Path("nb.ipynb").write_text(json.dumps({"cells": written, "metadata": {}}), "utf-8")
    assert main(["--no-cache", "--select", "LTN703", "--fix", "."]) == 0
    after = json.loads(Path("nb.ipynb").read_text("utf-8"))["cells"]
    assert after[1] == written[1]
    assert "gpus=" not in "".join(after[2]["source"])


def test_a_source_that_is_one_text_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(book(IMPORT, code(MODULE))), "utf-8")
    result = mended(path, "LTN106")
    source = json.loads(path.read_text("utf-8"))["cells"][1]["source"]
    assert source == MODULE.replace("(batch))", "(batch), sync_dist=True)")
    assert "+++ b/" in result.diff() and "a.ipynb:cell 2" in result.diff()
    (finding,) = result.fixed
    assert [edit.cell for edit in finding.fix.edits] == [2] if finding.fix else False


@pytest.mark.parametrize(
    "source",
    [
        MODULE.replace("\n", "\r\n"),
        [MODULE],  # not a line each
        lines(MODULE.replace("self.loss(batch))", "self.loss(batch), **options)")),
    ],
)
def test_what_cannot_be_written_back_as_it_was_is_left_alone(
    source: str | list[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text := json.dumps(book(IMPORT, code(source))), "utf-8")
    assert not mended(path, "LTN106").fixed
    assert path.read_text("utf-8") == text


def sick() -> Iterator[tuple[str, Path]]:
    """One file for each rule that has fixes."""
    for folder in sorted(FIXTURES.iterdir()):
        for path in sorted(folder.glob("sick_*.py")):
            config = Config(root=folder, select=(folder.name,), unsafe_fixes=True, preview=True)
            if any(one.fix for one in read([path], config, all_rules()).findings):
                yield folder.name, path
                break


def in_cells(text: str) -> list[str]:
    """A program cut before each statement that begins a line, comments with what follows."""
    starts = [
        min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        for node in ast.parse(text).body
    ]
    rows = lines(text)
    ends = [*(start - 1 for start in starts[1:]), len(rows)]
    return ["".join(rows[a:b]).rstrip("\n") for a, b in zip([0, *ends], ends, strict=False)]


def test_fixtures_in_cells_are_mended_as_they_are_in_files(tmp_path: Path) -> None:
    count = 0
    for rule, path in sick():
        cells = [
            code(lines(text), id=str(i)) for i, text in enumerate(in_cells(path.read_text("utf-8")))
        ]
        target = tmp_path / f"{rule}.ipynb"
        target.write_text(json.dumps(book(*cells), indent=1), "utf-8")
        count += bool(mended(target, rule).fixed)
        after = json.loads(target.read_text("utf-8"))
        ast.parse("\n".join("".join(cell["source"]) for cell in after["cells"]))
        for cell, before in zip(after["cells"], cells, strict=True):
            assert {**cell, "source": ""} == {**before, "source": ""}
            assert cell["source"] == lines("".join(cell["source"]))
        assert not mended(target, rule).after  # nothing is left to do
    assert count > 40
