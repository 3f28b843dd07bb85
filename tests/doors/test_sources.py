# ruff: noqa: RUF001 - characters that look like others are what some of this is about
"""Finding and reading files: whatever lies there, the answer is a file or a reason."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.config import Config
from pl_lint.static import sources
from pl_lint.static.sources import (
    SourceFile,
    Unreadable,
    find_sources,
    lines_of,
    load,
    mentions_lightning,
    parse,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plant(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("", encoding="utf-8")


def found(*paths: str, exclude: tuple[str, ...] = ()) -> list[str]:
    config = Config(exclude=exclude)
    return [p.as_posix() for p in find_sources([Path(p) for p in paths], config)]


# --- finding --------------------------------------------------------------------------------------


def test_folders_are_searched_in_order() -> None:
    plant("b/z.py", "b/a.py", "a.py", "b/c/d.py", "b/notes.txt", "b/data.pyc")
    assert found(".") == ["a.py", "b/a.py", "b/z.py", "b/c/d.py"]


def test_other_peoples_code_is_left_out() -> None:
    plant(
        "mine.py",
        ".hidden/a.py",
        "env/pyvenv.cfg",
        "env/lib/a.py",
        "conda/conda-meta/history",
        "conda/a.py",
        "lib/site-packages/a.py",
        "web/node_modules/a.py",
        "__pycache__/a.py",
    )
    assert found(".") == ["mine.py"]


def test_a_named_file_is_always_read() -> None:
    plant(".hidden/a.py", "old/b.py", "script")
    Path(".gitignore").write_text("old/\n", encoding="utf-8")
    names = [".hidden/a.py", "old/b.py", "script"]
    assert found(*names, exclude=("old/",)) == names


def test_each_file_is_read_once() -> None:
    plant("a/b.py")
    Path("a/link.py").symlink_to("b.py")
    assert found("a/b.py", "a", "./a/../a") == ["a/b.py"]


def test_exclude_patterns_are_relative_to_the_root() -> None:
    plant("src/a.py", "src/old/b.py", "src/gen_pb2.py", "old.py")
    assert found("src", exclude=("src/old/", "*_pb2.py")) == ["src/a.py"]
    assert found(".", exclude=("/old.py",)) == ["src/a.py", "src/gen_pb2.py", "src/old/b.py"]
    assert found("src/old", exclude=("src/",)) == []
    assert found(".", exclude=("/*", "!/src")) == ["src/a.py", "src/gen_pb2.py", "src/old/b.py"]
    assert "src/a.py" in found(".", exclude=(".*",))


def test_gitignore_is_respected_as_git_does() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    plant("a.py", "build/b.py", "x/gen.py", "x/keep.py", "x/y/gen.py", "x/y/z.py", "data/d.py")
    Path(".gitignore").write_text("build/\ngen.py\n/data\n\\\n", encoding="utf-8")
    Path("x/y/.gitignore").write_text("!gen.py\nz.py\n", encoding="utf-8")
    command = ["git", "ls-files", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(found(".")) == sorted(listed)
    assert sorted(found("x")) == ["x/keep.py", "x/y/gen.py"]


@pytest.mark.parametrize(
    "ignored",
    [
        ["*", "!*/", "!*.py"],
        ["*", "!src/"],
        ["*", "!src/", "!src/**"],
        ["/*", "!/src", "deep/"],
        ["*.py", "!a.py"],
        ["src/*", "!src/deep/", "**/deep/b.py"],
        ["src/**", "!src/deep", "!a.py"],
        ["deep", "!src/deep/a.py"],
        ["**/src/", "!a.py"],
    ],
    ids=" ".join,
)
def test_what_is_taken_back_is_read_as_git_does(ignored: list[str]) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    plant("a.py", "b.py", "src/a.py", "src/deep/a.py", "src/deep/b.py", "deep/deep/a.py")
    Path(".gitignore").write_text("\n".join(ignored) + "\n", encoding="utf-8")
    command = ["git", "ls-files", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(found(".")) == sorted(listed)


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def known_to_git() -> list[str]:
    """What git has, and what it would take."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "*.py")
    return sorted(set(listed.split()))


KEPT = ("src/models/net.py", "src/models/deep/down/a_name_of_another_length.py")


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_what_git_has_is_read_though_it_is_ignored(version: str) -> None:
    git("init", "-q")
    plant("a.py", *KEPT, "src/models/left.py", "models/left.py", "src/gen.py", "src/gen_left.py")
    Path(".gitignore").write_text("models\ngen*.py\n", encoding="utf-8")
    git("add", "-f", "a.py", *KEPT, "src/gen.py")
    plant("src/models/promised.py", "src/models/deep/left.py")
    if version == "3":
        git("add", "-f", "--intent-to-add", "src/models/promised.py")
    else:
        git("update-index", "--index-version", version)
    index = Path(".git/index").read_bytes()
    assert index[7] == int(version)
    assert sorted(found(".")) == known_to_git()
    assert set(KEPT) < set(found("src"))
    # What damages an index makes no difference to what it does not say.
    Path(".git/index").write_bytes(index[: len(index) // 2])
    assert found(".") == ["a.py"]
    Path(".git/index").write_bytes(b"DIRC" + bytes(range(200)))
    assert found(".") == ["a.py"]


def test_what_another_worktree_or_an_inner_repository_has_is_read() -> None:
    git("init", "-q", "main")
    plant("main/models/a.py")
    Path("main/.gitignore").write_text("models\n", encoding="utf-8")
    git("-C", "main", "add", "-f", "models", ".gitignore")
    git("-C", "main", "commit", "-q", "-m", "all")
    git("-C", "main", "worktree", "add", "-q", "../other")
    assert found(".") == ["main/models/a.py", "other/models/a.py"]
    git("init", "-q", ".")
    plant("models/b.py")
    git("add", "-f", "models")
    Path(".gitignore").write_text("models\n", encoding="utf-8")
    assert found(".") == ["main/models/a.py", "models/b.py", "other/models/a.py"]


def test_a_folder_that_is_named_is_read_though_git_ignores_it() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    plant("build/b.py")
    Path(".gitignore").write_text("build/\n", encoding="utf-8")
    assert found("build") == ["build/b.py"]
    assert found(".") == []
    plant("build/sub/c.py")
    Path(".gitignore").write_text("build/\n*.py\n", encoding="utf-8")
    assert found("build/sub") == ["build/sub/c.py"]


def test_loops_dangling_links_and_pipes_are_survived() -> None:
    plant("a/b.py")
    Path("a/up").symlink_to("..", target_is_directory=True)
    Path("a/self.py").symlink_to("self.py")
    Path("a/gone.py").symlink_to("nowhere.py")
    os.mkfifo("a/pipe.py")
    assert found(".") == ["a/b.py"]


def test_what_does_not_exist_is_given_to_load() -> None:
    assert found("none.py", "nowhere/") == ["none.py", "nowhere"]
    assert "no such file" in reason("none.py")


def test_a_folder_that_cannot_be_listed_is_given_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    plant("a/b.py", "c.py")
    original = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(".") == ["c.py", "a"]
    assert "cannot be listed" in reason("a")


# --- reading --------------------------------------------------------------------------------------


def reason(path: str) -> str:
    answer = load(Path(path))
    assert isinstance(answer, Unreadable), f"{path} was read"
    return answer.message


def read(data: bytes) -> SourceFile | Unreadable:
    Path("t.py").write_bytes(data)
    return load(Path("t.py"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = 1\r\ny = 2\rz = 3", "x = 1\ny = 2\nz = 3"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'", "# -*- coding: latin-1 -*-\nx = 'é'"),
        ("x = 'é'".encode(), "x = 'é'"),
        (b"", ""),
        (b"x = '\\d'", "x = '\\d'"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid escape")
def test_text_is_decoded_as_python_does(data: bytes, text: str) -> None:
    answer = read(data)
    assert isinstance(answer, SourceFile)
    assert answer.text == text
    assert ast.dump(answer.tree) == ast.dump(ast.parse(data))


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        ("x = “a”".encode(), (1, 5), 'typographic quote U+201C; write "..."'),
        ("x = 1\nprint(‘a’)".encode(), (2, 7), "typographic quote U+2018; write '...'"),
        ("x =\u00a01".encode(), (1, 4), "special space U+00A0; write a plain space"),
        ("x = 1 – 2".encode(), (1, 7), "typographic dash U+2013; write -"),
        ("x = 2€".encode(), (1, 6), "character U+20AC; delete it"),
        (b"\nprint 'loss'", (2, 1), "this is Python 2"),
        (b"try:\n    pass\nexcept A, e:\n    pass", (3, 8), "this is Python 2"),
        (b"raise ValueError, 'no'", (1, 17), "this is Python 2"),
        (b"%matplotlib inline", (1, 1), "a command for IPython"),
        (b"x = 1\n!pip install lightning", (2, 1), "a command for IPython"),
        (b'{"cells": [null], "a": tru}', (1, 24), "broken JSON"),
        (b"<<<<<<< HEAD\n", (1, 1), "an unfinished merge"),
        (b"from {{ name }} import x", (1, 6), "a template"),
        (b"version https://git-lfs.github.com/spec/v1\n", (1, 9), "git lfs pull"),
        (b"def f(:\n", (1, 7), "syntax error: invalid syntax; correct it or exclude"),
        (b"x = 1\0", (1, 1), "a NUL byte"),
        (b"a\nb\0", (2, 1), "a NUL byte"),
        ("import lightning".encode("utf-16"), (1, 1), "UTF-16"),
        (b"a\nb\nx = '\xe9'", (3, 1), "byte 0xE9 is not UTF-8"),
        (b"x = '\xe9'", (1, 1), "byte 0xE9 is not UTF-8"),
        (b"# coding: klingon\n", (1, 1), "unknown encoding: klingon"),
        (b"# coding: rot13\n", (1, 1), "not one for text"),
        (b"# coding: ascii\nx = '\xc3\xa9'", (1, 1), "not ascii"),
        (b"-" * 100_000 + b"1", (1, 1), "too deeply nested"),
        (b"a" + b".b" * 100_000, (1, 1), "too deeply nested"),
        (b"(" * 1000 + b")" * 1000, (1, 201), "too many nested parentheses"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_read_is_named(data: bytes, place: tuple[int, int], words: str) -> None:
    answer = read(data)
    assert isinstance(answer, Unreadable)
    assert words in answer.message
    assert (answer.location.path, answer.location.line, answer.location.column) == ("t.py", *place)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python can read it")
@pytest.mark.parametrize(
    "line",
    [
        "type Pair = tuple[int, int]",
        "def first[T](items: list[T]) -> T: ...",
        "class Box[T]: ...",
        "x = f'{known['a']}'",
        r"""x = f"{'\n'.join(lines)}" """,
    ],
)
def test_syntax_that_is_too_new_is_no_mistake(line: str) -> None:
    answer = read(line.encode())
    assert isinstance(answer, Unreadable)
    assert "came with Python 3.12, and pl-lint runs under Python 3." in answer.message


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python can read it")
@pytest.mark.parametrize(
    "code", ["try:\n    x()\nexcept ValueError, TypeError:\n    pass", 'x = t"{name}"']
)
def test_the_syntax_of_3_14_is_no_mistake(code: str) -> None:
    answer = read(code.encode())
    assert isinstance(answer, Unreadable)
    assert "came with Python 3.14" in answer.message


def test_what_is_never_closed_is_not_taken_for_new() -> None:
    answer = read(b"x = f'{a'")
    assert isinstance(answer, Unreadable)
    assert "came with" not in answer.message


def test_a_notebook_is_named_by_its_suffix_too() -> None:
    Path("a.ipynb").write_text("{}", encoding="utf-8")
    assert "no notebook" in reason("a.ipynb")


def test_devices_pipes_and_loops_are_not_read() -> None:
    os.mkfifo("pipe.py")
    Path("self.py").symlink_to("self.py")
    assert "not a regular file" in reason("pipe.py")
    assert "not a regular file" in reason("/dev/zero")
    assert "a link that leads nowhere" in reason("self.py")
    assert "no such file" in reason("a\0b")


def test_a_huge_file_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST", 1000)
    Path("t.py").write_bytes(b"#" * 1001)
    assert "too large" in reason("t.py")
    Path("t.py").write_bytes(b"#" * 1000)
    assert isinstance(load(Path("t.py")), SourceFile)


def test_a_file_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    plant("t.py")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert reason("t.py") == "cannot be read: Permission denied"


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_no_bytes_make_reading_fail(data: bytes) -> None:
    answer = parse(Path("t.py"), data)
    assert isinstance(answer, (SourceFile, Unreadable))
    if isinstance(answer, Unreadable):
        assert answer.message


def test_the_users_invalid_escapes_are_not_our_warnings() -> None:
    Path("t.py").write_text("x = '\\d'\n", encoding="utf-8")
    code = "from pathlib import Path; from pl_lint.static.sources import load; load(Path('t.py'))"
    run = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True)
    assert (run.returncode, run.stderr) == (0, b"")


def test_paths_are_reported_from_the_working_directory(here: Path) -> None:
    plant("a/b.py")
    (here / "elsewhere").mkdir()
    answers = [load(Path("a/b.py")), load(here / "a" / "b.py"), load(Path("./a/../a/b.py"))]
    assert [answer.path for answer in answers if isinstance(answer, SourceFile)] == ["a/b.py"] * 3
    os.chdir("elsewhere")
    outside = load(here / "a" / "b.py")
    assert isinstance(outside, SourceFile)
    assert outside.path == (here / "a" / "b.py").as_posix()


def test_columns_count_characters() -> None:
    answer = read('é = "日本"; x = 1\n\fy = 2'.encode())
    assert isinstance(answer, SourceFile)
    first, second, third = (answer.location(node) for node in answer.tree.body)
    assert (first.column, first.end_column) == (1, 9)
    assert (second.line, second.column, second.end_column) == (1, 11, 16)
    assert answer.lines[third.line - 1][third.column - 1 : third.end_column - 1] == "y = 2"


# --- the prefilter --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "import pytorch_lightning as pl",
        "from torchmetrics import Metric",
        "class A(Base):\n    def training_step(self, batch): ...",
        "class Mixin:\n    def write(self): self.log('a', 1)",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_files_that_matter_are_parsed(text: str, encoding: str) -> None:
    assert mentions_lightning(text.encode(encoding))


def test_other_files_are_not() -> None:
    assert not mentions_lightning(b"import torch\nlogger.log(1)\n")


def test_tests_of_steps_are_no_hooks() -> None:
    """``test_step_size`` is what numerical libraries test; a hook has its bracket."""
    assert mentions_lightning(b"class Heir(Base):\n    def test_step(self, batch): ...\n")
    assert not mentions_lightning(b"def test_step_size(): ...\n\ndef test_stepwise(): ...\n")


def test_lines_are_shown_though_their_encoding_is_broken() -> None:
    Path("t.py").write_bytes(b"a\r\nb\xe9\n")
    assert lines_of("t.py") == ("a", "b\N{REPLACEMENT CHARACTER}", "")
    assert lines_of("none.py") == ()
