"""No file crashes the reader, holds it up, or makes it do anything but read."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import hypothesmith
import pytest
from damage import ALL, damaged
from hypothesis import HealthCheck, Phase, given, settings
from nesting import FORMS

from pl_lint.cli import main
from pl_lint.config import Config
from pl_lint.facts.values import Known
from pl_lint.rules.registry import all_rules
from pl_lint.static import judgement, project
from pl_lint.static.engine import Reading, read
from pl_lint.static.fixing.loop import mend
from pl_lint.static.interpreter.work import Works
from pl_lint.static.names import Project, index_module
from pl_lint.static.sources import SourceFile, parse

ROOT = Path(__file__).parents[2]
LONGEST = 20
"""Seconds of processor time for one file; it is a hundred times what these need."""
SAID = ("deep", "parenthes", "too much")
EVERYTHING = Config(select=("ALL",))
MODULE = """\
import lightning.pytorch as pl
class Lit(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        x = a = batch
{}
        self.log("x", x)
        return x
"""


def reading(data: bytes) -> Reading:
    started = time.process_time()
    found = read([ROOT / "odd.py"], EVERYTHING, all_rules(), contents=lambda _: data)
    assert time.process_time() - started < LONGEST
    return found


def complaints(data: bytes) -> list[str]:
    return [one.message for one in reading(data).unreadable]


@pytest.fixture(autouse=True, scope="module")
def no_more_memory_than_a_laptop_has():  # type: ignore[no-untyped-def]
    """What grows without end fails here, and does not take the machine with it."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("form", FORMS)
def test_deep_and_long_code_is_read_or_refused(form: str) -> None:
    for size in (60, 400):
        code = FORMS[form](size)
        for text in (f"# lightning\n{code}\n", MODULE.format(textwrap.indent(code, " " * 8))):
            messages = complaints(text.encode())
            assert len(messages) <= 1
            assert all(any(word in one for word in SAID) for one in messages), messages


def test_many_deep_files_are_left_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its message, what lies beside them is read, and the project is not read anew for
    each of them."""
    for number in range(20):
        text = f"# lightning\nfrom deep{number - 1} import x\nx = " + "-" * 900 + "1\n"
        (tmp_path / f"deep{number}.py").write_text(text)
    (tmp_path / "sound.py").write_text(
        MODULE.format("        from deep0 import x") + "import deep0\n"
    )
    readings: list[int] = []

    def counted(sources, *rest):  # type: ignore[no-untyped-def]
        readings.append(len(sources))
        return project.gather(sources, *rest)

    monkeypatch.setattr(judgement, "gather", counted)
    found = read([tmp_path], Config(root=tmp_path, select=("ALL",)), all_rules())
    assert len(found.unreadable) == 20
    assert {Path(one.location.path).name for one in found.project.classes} == {"sound.py"}
    assert sum(size > 1 for size in readings) <= 2


@pytest.mark.parametrize("kind", ALL)
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    for path in sorted((ROOT / "fixtures" / "rules").rglob("*.py"))[::37]:
        data = damaged(path.read_bytes(), kind, f"{kind} {path.name}")
        messages = complaints(data)
        assert len(messages) <= 1
        assert all(one and "\n" not in one and len(one) < 300 for one in messages)


@settings(
    max_examples=10,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(hypothesmith.from_node())
def test_any_program_is_read(code: str) -> None:
    assert len(complaints(f"{code}\n# lightning\n".encode("utf-8", "surrogatepass"))) <= 1


# --- how much work a file may be ------------------------------------------------------------------

SICK = """\
class {name}(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = torchmetrics.F1Score(task="binary")

    def validation_step(self, batch, batch_idx):
        self.f1.update(*batch)
        self.log("val/f1", self.f1.compute(), on_epoch=True)
        x = batch
"""
HEAD = "import torchmetrics\nimport lightning.pytorch as pl\n\n\n"
SUMS = "        x = x + 1\n" * 400


def work_on(*texts: str, most: int = 1000) -> list[int]:
    """What is left of so many pieces of work for each file."""
    parsed = [parse(Path(f"f{number}.py"), text.encode()) for number, text in enumerate(texts)]
    sources = [one for one in parsed if isinstance(one, SourceFile)]
    works = Works(most)
    project.gather(sources, Config(), works=works)
    return [works.on(one.path).left for one in sources]


def test_a_file_that_is_too_much_is_told_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read of it until then is judged, and everything beside it."""
    monkeypatch.setattr(judgement, "Works", lambda: Works(1000))
    first, second = SICK.format(name="First"), SICK.format(name="Second") + SUMS
    script = "trainer = pl.Trainer(precision=16)\n"
    (tmp_path / "large.py").write_text(HEAD + first + second + SICK.format(name="Third") + script)
    (tmp_path / "small.py").write_text(HEAD + first + script)
    monkeypatch.chdir(tmp_path)
    assert main(["--select", "LTN101", "--output-format", "json", "--no-cache", "."]) == 1
    told = json.loads(capsys.readouterr().out)
    (left,) = told["unreadable"]
    assert left["path"] == "large.py"
    assert left["message"].startswith("too much to read: 1 of 3 classes judged;")
    assert "exclude it" in left["message"]
    assert left["verdict"] == "not read to its end"
    assert [one["path"] for one in told["findings"]] == ["large.py", "small.py"]


def test_a_file_that_is_too_much_is_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told each time, from the cache too, and does not fail a pipeline."""
    monkeypatch.setattr(judgement, "Works", lambda: Works(1000))
    (tmp_path / "large.py").write_text(HEAD + SICK.format(name="Only") + SUMS)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["--select", "LTN7", "--output-format", "concise", "."]) == 0
        told = capsys.readouterr().out
        assert "large.py:1:1: not read to its end: too much to read: 0 of 1 classes" in told
        assert "1 file not read to the end" in told
        (tmp_path / "other.py").write_text("")  # the answer is gone, what was read is kept


def test_helpers_that_each_test_puts_through_everything_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in the one before it and each of them twice: 2 ** 7 evaluations in every test, because
    each is a function of that test, and may change what the test knows."""
    helpers = "    def help0(x):\n        return x\n" + "".join(
        f"    def help{n}(x):\n        return help{n - 1}(x) + help{n - 1}(-x)\n"
        for n in range(1, 8)
    )
    tests = "".join(
        f"def test_{n}():\n    pl.Trainer(precision=16)\n{helpers}    help7({n})\n"
        for n in range(20)
    )
    (left,) = work_on(f"{HEAD}{tests}", most=10_000)
    assert 0 < left < 5_000
    monkeypatch.setattr(judgement, "Works", lambda: Works(10_000))
    (tmp_path / "test_all.py").write_text(f"{HEAD}{tests}")
    reading = read([tmp_path], Config(root=tmp_path), ())
    assert not reading.unreadable
    assert len(reading.project.trainers) == 20


def test_helpers_that_leave_nothing_are_run_once_for_the_same_arguments(tmp_path: Path) -> None:
    """What they return is known again, and is another thing for other arguments."""
    helpers = "def help0(x):\n    return x\n" + "".join(
        f"def help{n}(x):\n    return help{n - 1}(x) or help{n - 1}(x)\n" for n in range(1, 8)
    )
    tests = [f"def test_{n}():\n    pl.Trainer(devices=help7({n % 2 + 1}))\n" for n in range(20)]
    (once,) = work_on(HEAD + helpers + "".join(tests[:2]))
    (often,) = work_on(HEAD + helpers + "".join(tests))
    assert once - often < 18 * 20
    (tmp_path / "test_all.py").write_text(HEAD + helpers + "".join(tests))
    trainers = read([tmp_path], Config(root=tmp_path), ()).project.trainers
    assert [one.argument("devices") for one in trainers] == [Known(1), Known(2)] * 10


def test_work_is_counted_file_by_file() -> None:
    """The same whatever lies beside a file, what it needs of a base included."""
    base, other = HEAD + SICK.format(name="Base"), HEAD + SICK.format(name="Other") + SUMS
    (alone,) = work_on(base)
    assert 900 < alone < 1000
    first, second, third = work_on(base, other, "x = 1\n")
    assert [first, third] == [alone, 998]
    assert second < 0
    assert work_on(base, "from f0 import Base\nclass Heir(Base): ...\n")[1] < alone + 10


@pytest.mark.parametrize("form", ["loops", "comprehensions"])
def test_loops_in_loops_are_unrolled_some_way(form: str) -> None:
    """Each in the one around it would be three times as many turns."""
    small, large = (MODULE.format(textwrap.indent(FORMS[form](n), " " * 8)) for n in (4, 40))
    few, many = (100_000 - left for left in work_on(small, large, most=100_000))
    assert few < many < 100 * few


@pytest.mark.parametrize("form", ["f(x{})", "[x{}]", "x{}.a", "f'{{x{}}}'", "ModuleList([x{}])"])
def test_constants_made_of_constants_are_followed_some_way(form: str) -> None:
    """Their syntax is flat, and yet each asks for the one before."""
    lines = [f"x{number} = {form.format(number - 1)}" for number in range(1, 600)]
    top = "\n".join(["from torch.nn import *", "x0 = [1]", *lines, ""])
    assert complaints((top + MODULE.format("        x = x599")).encode()) == []


def test_values_nested_too_deep_are_one_message() -> None:
    lines = [f"        x{number} = [x{number - 1}]" for number in range(1, 1000)]
    text = MODULE.format("\n".join(["        x0 = 1", *lines, "        x = x999"]))
    (message,) = complaints(text.encode())
    assert "deep" in message


# --- what a class inherits ------------------------------------------------------------------------


def ancestors(code: str, name: str) -> list[str]:
    source = parse(Path("a.py"), code.encode())
    assert isinstance(source, SourceFile)
    module = index_module(source)
    found = Project([module]).ancestors(module.classes[name])
    return [one if isinstance(one, str) else one.name for one in found]


def test_each_ancestor_stands_at_its_last_mention() -> None:
    code = "class O(X): ...\nclass A(O): ...\nclass B(O): ...\nclass C(A, B): ...\n"
    assert ancestors(code, "C") == ["C", "A", "B", "O", "X"]


def test_classes_that_inherit_each_other_have_an_end() -> None:
    code = "class A(B): ...\nclass B(A): ...\nclass C(A): ...\nclass D(D): ...\n"
    assert ancestors(code, "C") == ["C", "A", "B"]
    assert ancestors(code, "B") == ["B", "A"]
    assert ancestors(code, "D") == ["D"]


# --- mending -------------------------------------------------------------------------------------


def test_a_fix_is_made_once_however_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings name a file from the working directory, and people by any path."""
    file = tmp_path / "train.py"
    file.write_text("import lightning.pytorch as pl\ntrainer = pl.Trainer(precision=16)\n")
    monkeypatch.chdir(tmp_path)
    mended = mend([tmp_path.resolve()], EVERYTHING, all_rules())
    assert [len(mended.fixed), len(mended.after)] == [1, 1]
    assert mended.diff().count('precision="16-mixed"') == 1
    mended.write()
    assert file.read_text().endswith('pl.Trainer(precision="16-mixed")\n')


# --- nothing but reading --------------------------------------------------------------------------

WATCHED = """\
import json, os, sys
from pathlib import Path
from pl_lint.cli import main
from pl_lint.rules.registry import all_rules
from pl_lint.static import judgement

all_rules()
project = Path(sys.argv[1]).resolve()
seen = []

def hook(event, arguments):
    if event == "open" and isinstance(arguments[2], int):
        writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        if arguments[2] & writing:
            seen.append([event, str(arguments[0])])
    elif event == "import" and (project / (arguments[0].partition(".")[0] + ".py")).exists():
        seen.append([event, arguments[0]])
    elif event == "exec" and str(project) in arguments[0].co_filename:
        seen.append([event, arguments[0].co_filename])
    elif event == "compile" and str(project) in str(arguments[1]):
        seen.append([event, str(arguments[1])])
    elif event.partition(".")[0] in ("socket", "subprocess", "ctypes", "webbrowser", "pty"):
        seen.append([event, ""])
    elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty",
                   "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link"):
        seen.append([event, ""])

sys.addaudithook(hook)
told = ("--select", "ALL", "--preview", "--no-cache", "--output-format", "json")
status = main(["check", *told, str(project)])
print(json.dumps([status, seen]), file=sys.stderr)
"""
TEMPTING = """\
# lightning
import subprocess, socket, sitecustomize, conftest, neighbour
open("ran", "w").write("x"); subprocess.run(["touch", "ran"]); socket.create_connection(("::1", 9))
exec("open('ran', 'w')"); eval("__import__('neighbour')"); __import__("neighbour")
print(f"{open('ran', 'w')}", [open("ran", "w") for _ in range(9)])
import lightning.pytorch as pl
@(lambda c: open("ran", "w") and c)
class Lit(pl.LightningModule, metaclass=type("M", (type,), {})):
    x = open("ran", "w")
    def __init_subclass__(cls): open("ran", "w")
    def training_step(self, batch, batch_idx): return self.log("x", open("ran", "w").read())
"""


def test_what_is_read_is_neither_run_nor_imported(tmp_path: Path) -> None:
    """Also what Python would run by itself: a conftest, a sitecustomize, a setup.py."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("tempting", "neighbour", "conftest", "sitecustomize", "setup", "ast", "lightning"):
        (project / f"{name}.py").write_text(TEMPTING)
    (project / "broken.py").write_text("# lightning\ndef f(:\n")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(project)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    status, seen = json.loads(done.stderr)
    told = json.loads(done.stdout)
    assert status == 2
    assert [Path(one["path"]).name for one in told["unreadable"]] == ["broken.py"]
    assert seen == []
    assert not list(tmp_path.rglob("ran"))
