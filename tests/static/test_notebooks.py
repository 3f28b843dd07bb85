"""Notebooks are read as one program; places are told by cell and line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import pytest
from jsonschema import Draft4Validator

from pl_lint.cli import main
from pl_lint.config import Config
from pl_lint.report import github as github_report
from pl_lint.report import json as json_report
from pl_lint.report import sarif as sarif_report
from pl_lint.report.concise import render as concise
from pl_lint.report.result import Result
from pl_lint.rules.registry import all_rules
from pl_lint.static.broken_cells import stand_in
from pl_lint.static.engine import Reading, read
from pl_lint.static.notebooks import python_of
from pl_lint.static.sources import lines_of

DOORS = Path(__file__).parents[1] / "doors"
HEAD = "import lightning.pytorch as pl\nfrom lightning.pytorch.callbacks import ModelCheckpoint"
SICK = "%matplotlib inline\n\nbest = ModelCheckpoint(monitor='val_acc')"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def notebook(*cells: str, name: str = "nb.ipynb", language: str = "python") -> None:
    """Each text is a cell of code; one that begins with ``#md`` is one of text."""
    written = [
        {
            "cell_type": "markdown" if cell.startswith("#md") else "code",
            "source": cell.splitlines(keepends=True),
            "outputs": [],
        }
        for cell in cells
    ]
    metadata = {"kernelspec": {"language": language}}
    Path(name).write_text(json.dumps({"cells": written, "metadata": metadata}), "utf-8")


def reading(select: Sequence[str] = ("LTN301",)) -> Reading:
    return read([Path(".")], Config(root=Path.cwd(), select=tuple(select)), all_rules())


def result(found: Reading) -> Result:
    config = Config(root=Path.cwd())
    return Result(found.findings, found.unreadable, found.files, 1, config, all_rules())


# --- places ---------------------------------------------------------------------------------------


def test_a_place_is_a_cell_and_a_line_in_it() -> None:
    notebook("#md # Title", HEAD, SICK)
    (finding,) = reading().findings
    assert str(finding.location) == "nb.ipynb:cell 3:3:8"
    assert finding.fix is not None
    assert lines_of(finding.location.source)[2] == "best = ModelCheckpoint(monitor='val_acc')"


def test_an_indented_cell_is_read_as_ipython_reads_it() -> None:
    """The indentation of its first line is taken from all; places are those that people see."""
    notebook(HEAD, " \n  best = ModelCheckpoint(\n      monitor='val_acc')\nx = 1")
    (finding,) = reading().findings
    assert str(finding.location) == "nb.ipynb:cell 2:2:10"


def test_findings_stand_in_the_order_of_cells() -> None:
    late = "\n\n\nModelCheckpoint(monitor='val_acc')"
    notebook(HEAD, late, SICK)
    assert [one.location.cell for one in reading().findings] == [2, 3]


def test_every_format_shows_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    notebook(HEAD, SICK)
    found = result(reading())
    assert next(iter(concise(found))).startswith("nb.ipynb:cell 2:3:8: LTN301")
    assert json_report.document(found)["findings"][0]["cell"] == 2
    raw = Path("nb.ipynb").read_text("utf-8")
    Path("nb.ipynb").write_text(json.dumps(json.loads(raw), indent=1), "utf-8")
    (annotation,) = github_report.render(found, lines_of)
    (line,) = (n for n, one in enumerate(lines_of("nb.ipynb"), 1) if '"best = ' in one)
    assert f"file=nb.ipynb,line={line}," in annotation
    assert "cell 2, line 3: " in annotation
    schema = json.loads((DOORS / "sarif-schema-2.1.0.json").read_text("utf-8"))
    Draft4Validator(schema).validate(sarif_report.document(found))
    (sarif,) = sarif_report.document(found)["runs"][0]["results"]
    assert sarif["locations"][0]["logicalLocations"][0]["name"] == "cell 2"
    assert sarif["message"]["text"].startswith("cell 2, line 3: ")
    main(["check", "--select", "LTN301", "."])
    shown = capsys.readouterr().out
    assert "nb.ipynb:cell 2:3:8" in shown
    assert "    3 | best = ModelCheckpoint(monitor='val_acc')" in shown


def test_classes_of_one_cell_are_known_in_the_next_and_in_files() -> None:
    notebook(
        HEAD,
        "class A(pl.LightningModule):\n    pass",
        "class B(A):\n    def validation_step(self, b, i):\n        self.log('val_loss', b)",
    )
    project = reading().project
    assert {one.short_name for one in project.classes} == {"A", "B"}
    assert next(one for one in project.classes if one.short_name == "B").logs[0].location.cell == 3


def test_a_patch_shows_cells(capsys: pytest.CaptureFixture[str]) -> None:
    notebook(HEAD, SICK)
    before = Path("nb.ipynb").read_bytes()
    assert main(["check", "--select", "LTN301", "--diff", "--unsafe-fixes", "."]) == 1
    assert Path("nb.ipynb").read_bytes() == before
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["--- a/nb.ipynb:cell 2", "+++ b/nb.ipynb:cell 2"]
    assert "+best = ModelCheckpoint(monitor='val_acc', mode=\"max\")" in shown


@pytest.mark.parametrize(
    "comment", ["# noqa", "# noqa: LTN301", "# pl-lint: ignore[LTN301] a class"]
)
def test_comments_hide_findings_of_their_line_in_their_cell(comment: str) -> None:
    notebook(HEAD, f"{SICK}  {comment}", SICK)
    assert [one.location.cell for one in reading().findings] == [3]


def test_a_comment_for_the_file_holds_in_every_cell() -> None:
    notebook(HEAD, "# pl-lint: ignore-file[LTN301]", SICK)
    assert not reading().findings


def test_a_baseline_knows_the_line_of_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    notebook(HEAD, SICK)
    select = ["check", "--select", "LTN301", "."]
    main([*select, "--write-baseline", "known.json"])
    assert "ModelCheckpoint(monitor='val_acc')" in Path("known.json").read_text("utf-8")
    notebook("#md more", HEAD, "x = 1", SICK)
    assert main([*select, "--baseline", "known.json"]) == 0
    capsys.readouterr()


# --- IPython --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("x = 1 % 2", "x = 1 % 2"),
        ("%load_ext tensorboard\nx = 1", "pass\nx = 1"),
        ("if a:\n    !ls -l\n    b()", "if a:\n    pass\n    b()"),
        ("%time x = f()", "x = f()"),
        ("%timeit -n 10 -r 3 f(x)", "f(x)"),
        ("files = !ls", "files = get_ipython()"),
        ("a = %sql select", "a = get_ipython()"),
        ("last, = ! {find} | {sort}", "last, = get_ipython()"),
        ("a, = ! \\\n  (echo '{') \\\n  | cat\na", "a, = get_ipython()\n\n\na"),
        ("?print\nprint??\na.b?", "pass\npass\npass"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%bash\nls\nfor", "\n\n"),
        ("%%writefile a.py\nx = 1", "\n"),
        ("\n%%html\n<a>", "\n\n"),
        ("!pip install a \\\n  b\nx = 1", "pass\n\nx = 1"),
        ("pip install lightning\nx = 1", "pass\nx = 1"),
        ("s = '''\n%not magic\n'''", "s = '''\n%not magic\n'''"),
        ("x = (a\n  % b)\n!ls", "x = (a\n  % b)\npass"),
        ("git = 1\nls = [git]", "git = 1\nls = [git]"),
    ],
)
def test_commands_are_taken_out_line_for_line(cell: str, python: str) -> None:
    assert python_of(cell) == python
    assert python_of(cell).count("\n") == cell.count("\n")


def test_the_rest_of_a_timed_line_is_read() -> None:
    notebook(HEAD, "%time best = ModelCheckpoint(monitor='val_acc')")
    assert [one.location.line for one in reading().findings] == [1]


@pytest.mark.parametrize(
    ("install", "findings"),
    [
        ('!pip install -q timm "pytorch-lightning==1.6.*"', 0),
        ("%pip install lightning==2.2.0", 1),
        ("!pip install -U lightning", 1),
    ],
)
def test_what_a_notebook_installs_is_what_it_runs_with(install: str, findings: int) -> None:
    Path("requirements.txt").write_text("lightning", "utf-8")
    notebook(f"!nvidia-smi\n{install}", HEAD, "trainer = pl.Trainer(weights_sumary='top')")
    assert len(reading(["LTN703"]).findings) == 1
    notebook(f"!nvidia-smi\n{install}", HEAD, "trainer = pl.Trainer(weights_summary='top')")
    assert len(reading(["LTN703"]).findings) == findings


# --- what cannot be read --------------------------------------------------------------------------


def test_a_mistake_in_a_cell_is_told_with_its_cell() -> None:
    notebook(HEAD, "x = 1\ny = (")
    (unreadable,) = reading().unreadable
    assert str(unreadable.location).startswith("nb.ipynb:cell 2:2:")
    assert json_report.document(result(reading()))["unreadable"][0]["cell"] == 2


NET = """class Net(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        return self.layer(batch).mean()
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.layer(batch).mean())
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())"""
FIT = """trainer = pl.Trainer(callbacks=[ModelCheckpoint(monitor='val_acc', mode='max')])
trainer.fit(Net(), train, val)"""


def test_the_other_cells_of_a_notebook_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    notebook(HEAD, NET, "losses = [\nplt.plot(losses", FIT)
    assert [one.location.cell for one in reading(["LTN302"]).findings] == [4]
    assert main(["--no-cache", "--select", "LTN302", "."]) == 1
    assert main(["--no-cache", "--select", "LTN301", "."]) == 0
    assert "nb.ipynb:cell 3:2:9: this cell cannot be read" in capsys.readouterr().out


def test_a_notebook_of_whose_cells_none_can_be_read_is_a_broken_file() -> None:
    notebook(HEAD + "\nx = (", "", "#md text")
    assert main(["--no-cache", "."]) == 2


@pytest.mark.parametrize(
    "broken",
    [
        NET.replace("val_loss", "val_acc") + "\n    x = (",
        "def step(self, batch, i):\n    self.log('val_acc', 1\nNet.validation_step = step",
        "class Net(Net):\n    def on_validation_epoch_end(self):\n        self.log_dict({'val_acc'",
        "for model in [Net(]:\n    model.log(f'val_{name}', 1)",
    ],
)
def test_what_may_stand_in_a_broken_cell_is_not_missing(broken: str) -> None:
    notebook(HEAD, NET, FIT)
    assert reading(["LTN302"]).findings
    notebook(HEAD, NET, broken, FIT)
    found = reading(["LTN302"])
    assert len(found.unreadable) == 1
    assert not found.findings


@pytest.mark.parametrize(
    ("before", "broken"),
    [
        ("KEY = 'val_acc'", "KEY = 'val_loss\nprint(1)"),
        ("", "pl.seed_everything(42\n"),
    ],
)
def test_what_a_broken_cell_binds_or_calls_is_unknown(before: str, broken: str) -> None:
    rest = "train, val = random_split(data, [0.8, 0.2])\n" + FIT.replace("'val_acc'", "KEY")
    head = HEAD + "\nfrom torch.utils.data import random_split\nKEY = 'val_loss'\n" + before
    notebook(head, NET, broken, rest)
    assert not reading(["LTN302", "LTN402"]).findings


MONITOR = f"import torch\nKEY, keys = 'val_acc', {{'best': 'val_acc'}}\n{NET}"
BEST = FIT.replace("'val_acc'", "KEY")


@pytest.mark.parametrize(
    "broken",
    [
        "(KEY, LR) = 'val_loss', 1e-3 +",
        "[KEY,\n LR\n] = 'val_loss', 1e-3 +",
        "if full: KEY = 'val_loss' +",
        "KEY: str = 'val_loss' +",
        "print(1\nKEY = 'val_loss'",
        "for i, (a, KEY) in found",
        "with open(path) as (KEY, LR):",
        "from settings import *\nx = (",
    ],
)
def test_what_a_broken_cell_rebinds_is_unknown(broken: str) -> None:
    notebook(HEAD, MONITOR, "x = (KEY", BEST)
    assert reading(["LTN302"]).findings
    notebook(HEAD, MONITOR, broken, BEST)
    assert not reading(["LTN302"]).findings


@pytest.mark.parametrize(
    "broken",
    [
        "keys['best'] = 'val_loss' +",
        "keys[str(best)][0].name = 'val_loss' +",
        "keys.best = 3 keys.worst = 4",
        "print(1\nkeys['best'] = 'val_loss'",
    ],
)
def test_what_a_broken_cell_changes_is_unknown(broken: str) -> None:
    rest = FIT.replace("'val_acc'", "keys['best']")
    notebook(HEAD, MONITOR, "x = (keys", rest)
    assert reading(["LTN302"]).findings
    notebook(HEAD, MONITOR, broken, rest)
    assert not reading(["LTN302"]).findings


@pytest.mark.parametrize(
    "broken",
    [
        "if KEY == 'val_loss': print(",
        "pl.x.y = 3 +",
        "print(KEY) (x := 3",
        "values[KEY] = 3 +",
        "values: Literal[KEY] = 3 +",
    ],
)
def test_what_a_broken_cell_only_reads_stays_known(broken: str) -> None:
    notebook(HEAD, MONITOR, broken, BEST)
    assert reading(["LTN302"]).findings


@pytest.mark.parametrize(
    "text",
    [
        "[(" * 20_000,
        "if x" * 20_000,
        "\n" * 20_000 + "(",
        "a[b.c = " * 20_000,
        "a, " * 20_000,
        "x: " * 20_000,
        "a=b, c=" * 10_000,
        "a." * 20_000,
    ],
)
def test_large_broken_cells_are_no_work(text: str) -> None:
    began = process_time()
    assert stand_in(text)
    assert process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"cells": [ lightning', "broken JSON"),
        ('{"lightning": 1}', "no list of cells"),
        ('["lightning"]', "no list of cells"),
        ('{"cells": 1, "a": "lightning"}', "no list of cells"),
        ('{"cells": ' + "[" * 100_000 + "lightning", "too deeply nested"),
        ('{"cells": [], "lightning": ' + "1" * 5000 + "}", "broken JSON"),
        ("lightning\0", "NUL"),
    ],
)
def test_broken_notebooks_are_one_message_each(text: str, words: str) -> None:
    Path("nb.ipynb").write_text(text, "utf-8")
    (unreadable,) = reading().unreadable
    assert words in unreadable.message


@pytest.mark.parametrize(
    "cells",
    [
        [None, 1, {}, {"cell_type": "code"}, {"cell_type": "code", "source": 3}],
        [{"cell_type": "code", "source": ["import lightning\n", None, 4]}],
        [{"cell_type": "code", "source": "import lightning\r\nx = 1\r"}],
    ],
)
def test_odd_cells_are_passed_over(cells: list[object]) -> None:
    document = {"cells": cells, "metadata": ["lightning"]}
    Path("nb.ipynb").write_text(json.dumps(document), "utf-8")
    assert not reading().unreadable


def test_notebooks_of_other_languages_hold_no_code_of_ours() -> None:
    notebook("library(lightning)", "x <- function(y) {", language="R")
    found = reading()
    assert not found.unreadable
    assert found.files == 1


def test_old_notebooks_have_worksheets() -> None:
    cells = [{"cell_type": "code", "input": [HEAD + "\n", SICK]}]
    Path("nb.ipynb").write_text(json.dumps({"worksheets": [{"cells": cells}]}), "utf-8")
    assert [one.location.cell for one in reading().findings] == [1]


def test_notebooks_without_lightning_are_not_parsed() -> None:
    notebook("x = (")
    assert not reading().unreadable
