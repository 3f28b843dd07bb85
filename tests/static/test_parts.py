"""Projects beside each other are read as if each were read alone; processes change nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.facts.sites import ProjectFacts
from pl_lint.plain import names
from pl_lint.rules.registry import all_rules
from pl_lint.static import schedule
from pl_lint.static.engine import Reading, read
from pl_lint.static.imports import imported
from pl_lint.static.parts import Material, Part, split
from pl_lint.static.schedule import on_all_cores, one_by_one
from pl_lint.static.surroundings import Surroundings
from pl_lint.trail import Trail

SICK = """\
import lightning as L
from torchmetrics import F1Score


class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = F1Score(task="binary")

    def validation_step(self, batch, batch_idx):
        self.f1.update(*batch)
        self.log("val/f1", self.f1.compute(), on_epoch=True)
"""
HEIR = "from {origin} import Lit\n\n\nclass Heir(Lit):\n    def on_validation_end(self): ...\n"
ONE_DEVICE = "import lightning as L\ntrainer = L.Trainer(devices=1)\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plant(**files: str) -> None:
    """``a__b`` is ``a/b.py``; each folder at the top is a project."""
    for name, text in files.items():
        path = Path(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (Path(path.parts[0]) / "README.md").write_text("")


def parts() -> list[set[str]]:
    files = sorted(Path().rglob("*.py"))
    around = Surroundings(Trail())
    found = split([Material(one, one.read_bytes()) for one in files], [], around)
    return [{one.path for one in part.sources} for part in found]


def judged(each: schedule.Schedule = one_by_one, *paths: str) -> Reading:
    wanted = [Path(path) for path in paths or (".",)]
    return read(wanted, Config(select=("ALL",)), all_rules(), each=each)


def test_projects_are_parts() -> None:
    plant(one__src__model=SICK, one__tools__run="", two__model=SICK)
    assert parts() == [{"one/src/model.py", "one/tools/run.py"}, {"two/model.py"}]


def test_a_project_in_a_project_belongs_to_it() -> None:
    plant(one__model=SICK, one__examples__model=SICK)
    Path("one/examples/requirements.txt").write_text("lightning")
    assert len(parts()) == 1


def test_a_repository_is_a_project() -> None:
    for name in ("a", "b"):
        Path(name, ".git").mkdir(parents=True)
        Path(name, "model.py").write_text(SICK)
    assert parts() == [{"a/model.py"}, {"b/model.py"}]


SEEDED = "import lightning as L\nL.seed_everything(1)\n"
FITTED = "import lightning as L\nfrom model import Lit\nL.Trainer().fit(Lit())\n"


def test_projects_that_are_named_are_apart_whatever_lies_around_them() -> None:
    Path("README.md").write_text("a folder of clones")
    plant(a__train=SEEDED, b__model=SICK, b__train=FITTED)
    for name in ("a", "b"):
        Path(name, "requirements.txt").write_text("lightning")
    unseeded = [one.code for one in judged(one_by_one, "a", "b").findings if one.code == "LTN401"]
    assert unseeded == ["LTN401"]
    for name in ("a", "b"):  # a README alone is that of a folder
        Path(name, "requirements.txt").unlink()
    assert not [one for one in judged(one_by_one, "a", "b").findings if one.code == "LTN401"]


def test_what_belongs_to_no_project_is_one_part() -> None:
    for name in ("a", "b"):
        Path(name).mkdir()
        Path(name, "model.py").write_text(SICK)
    assert len(parts()) == 1


def test_a_package_of_another_project_joins_the_two() -> None:
    plant(lib__src__shared__base=SICK, app__main=HEIR.format(origin="shared.base"), far__x=SICK)
    assert parts() == [{"app/main.py", "lib/src/shared/base.py"}, {"far/x.py"}]


def test_a_name_of_ones_own_joins_nothing() -> None:
    plant(one__utils=SICK, one__main=HEIR.format(origin="utils"), two__utils=SICK)
    assert parts() == [{"one/main.py", "one/utils.py"}, {"two/utils.py"}]


def test_a_name_that_several_projects_have_joins_nothing() -> None:
    """``datasets`` is a library here, and a folder of strangers' checkouts there."""
    plant(one__main=HEIR.format(origin="data.base"), two__data__base=SICK, far__data__base=SICK)
    assert len(parts()) == 3


def test_a_module_of_python_joins_nothing() -> None:
    plant(one__main=HEIR.format(origin="csv"), two__csv__rows=SICK)
    assert len(parts()) == 2


def test_a_relative_import_joins_nothing() -> None:
    plant(one__main=HEIR.format(origin=".two"), two__two=SICK)
    assert len(parts()) == 2


def test_installed_packages_have_nothing_to_do_with_each_other() -> None:
    """Whatever they import of each other: nor are their other files read for it."""
    site = Path("lib", "site-packages")
    for package, text in {
        "one": "import lightning\nfrom two.keys import KEY\n",
        "two": SICK,
    }.items():
        (site / package).mkdir(parents=True)
        (site / package / "model.py").write_text(text)
        (site / package / "keys.py").write_text("KEY = 'loss'\n")
    found = judged(one_by_one, str(site))
    assert found.files == 4
    assert {one.location.path for one in found.findings} == {str(site / "two" / "model.py")}
    sources = [Material(one, one.read_bytes()) for one in sorted(site.glob("*/model.py"))]
    assert len(split(sources, [], Surroundings(Trail()))) == 2
    wanted = imported(sources, sorted(site.glob("*/keys.py")), lambda path: path.read_bytes())
    assert not list(wanted)


def test_another_projects_trainer_is_no_evidence() -> None:
    plant(one__model=SICK, two__train=ONE_DEVICE)
    alone = judged(one_by_one, "one")
    assert alone.findings
    assert judged().findings == alone.findings


def test_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(**{f"p{n}__model": SICK for n in range(5)}, p1__broken="self.log(", p2__train=ONE_DEVICE)
    monkeypatch.setattr(schedule, "ENOUGH", 0)
    monkeypatch.setattr(schedule, "_cores", lambda: 3)
    alone, together = judged(one_by_one), judged(on_all_cores)
    assert len(alone.findings) >= 5
    assert len(alone.unreadable) == 1
    for field in ("findings", "unreadable", "files", "relevant"):
        assert getattr(alone, field) == getattr(together, field)


def test_a_fault_of_our_own_costs_one_project() -> None:
    def judge(part: Part) -> Reading:
        if part.sources[0].path.startswith("one"):
            raise KeyError("a\nb")
        return Reading(ProjectFacts(), relevant=7)

    parts = [Part((Material(Path(name), b""),), ()) for name in ("one/a.py", "two/a.py")]
    failed, judged = on_all_cores(judge, parts)
    assert judged.relevant == 7
    (message,) = failed.unreadable
    assert str(message.location).startswith("one/a.py:1")
    assert f"KeyError in {Path(__file__).name}:" in message.message


def test_a_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def judge(part: Part) -> Reading:
        if os.getpid() != parent:
            os._exit(9)
        return judged(one_by_one, part.sources[0].path)

    plant(one__model=SICK, two__model=SICK)
    monkeypatch.setattr(schedule, "ENOUGH", 0)
    monkeypatch.setattr(schedule, "_cores", lambda: 2)
    files = [Path("one/model.py"), Path("two/model.py")]
    each = [Part((Material(one, one.read_bytes()),), ()) for one in files]
    assert [len(one.findings) for one in on_all_cores(judge, each)] == [
        len(one.findings) for one in one_by_one(judge, each)
    ]


def test_lightning_itself_is_not_read_on_the_way() -> None:
    plant(tree__torchmetrics__a=SICK, tree__lightning__a=SICK, tree__mine=SICK)
    about = '__homepage__ = "https://github.com/Lightning-AI/torchmetrics"\n'
    Path("tree/torchmetrics/__about__.py").write_text(about)
    assert judged().files == 2  # a folder of one's own may be called lightning
    assert judged(one_by_one, "tree/torchmetrics").files == 2


def test_a_dictionary_as_long_as_a_book_is_read_at_once() -> None:
    entries = ",".join(f"'key{n}': 'lightning {n}'" for n in range(20_000))
    plant(one__table=f"TABLE = {{{entries}}}\n")
    start = time.process_time()
    judged()
    assert time.process_time() - start < 10  # pairs would take minutes


def test_facts_of_several_projects_are_of_the_same_kinds() -> None:
    plant(one__model=SICK, two__model=SICK)
    alone, together = (judged(one_by_one, *paths).project for paths in (("one",), ("one", "two")))
    kinds = [{name: type(getattr(one, name)) for name in names(one)} for one in (alone, together)]
    assert kinds[0] == kinds[1]
    assert len(together.classes) == 2 * len(alone.classes)
