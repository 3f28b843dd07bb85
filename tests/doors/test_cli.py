"""``pl-lint`` as people use it."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import projects
import pytest

import pl_lint
from pl_lint import cli
from pl_lint.cli import main
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules import registry
from pl_lint.rules.registry import Rule

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def suspicion(monkeypatch: pytest.MonkeyPatch) -> Rule:
    """One rule that suspects line 1 of every file with Lightning code, in place of all rules."""

    def check(self: Rule, facts: Any) -> Iterator[Finding]:
        """Suspects everything."""
        for found in facts.classes:
            yield self.finding(Location(found.location.path, 1), "it may be", remedy="look")

    rule = registry.rule(
        "LTN000",
        "everything-suspected",
        rows=("LGR98",),
        status=Status.SUSPECTED,
        observers="both",
        condition="on a rainy day",
    )(check)
    monkeypatch.setattr(registry, "all_rules", lambda: (rule,))
    return rule


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    line = [sys.executable, "-m", "pl_lint.cli", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, **options)


# --- exit codes -----------------------------------------------------------------------------------


def test_a_mistake_is_found_by_the_installed_command() -> None:
    projects.plant(Path("src"), model=projects.SICK)
    program = Path(sys.executable).with_name("pl-lint")
    run = subprocess.run([program, "src"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert f"src/model.py:{projects.SICK_LINE}:9: LTN101 " in run.stdout
    assert 'self.log("val/f1", self.f1.compute(), on_epoch=True)\n' in run.stdout
    assert "  remedy: " in run.stdout
    assert "\n1 finding; 1 file read, 1 with Lightning code\n" in run.stdout
    assert run.stdout.endswith("\n1 can be fixed with --fix\n")
    assert run.stderr == ""


def test_healthy_code_is_clean(capsys: Captured) -> None:
    projects.plant(Path("src"), model=projects.HEALTHY)
    assert main(["src"]) == 0
    assert capsys.readouterr().out == "0 findings; 1 file read, 1 with Lightning code\n"


@pytest.mark.parametrize("arguments", [[], ["."], ["check"], ["check", "."], ["model.py"]])
def test_ways_to_call_it(arguments: list[str], capsys: Captured) -> None:
    projects.plant(Path(), model=projects.SICK)
    assert main(arguments) == 1
    assert f"model.py:{projects.SICK_LINE}:9: LTN101" in capsys.readouterr().out


def test_a_folder_without_python_files_is_no_success(capsys: Captured) -> None:
    assert main([]) == 2
    assert capsys.readouterr().out == "no Python file found\n"


def test_files_without_lightning_are_clean_and_say_so(capsys: Captured) -> None:
    projects.plant(Path(), a=projects.PLAIN, b=projects.PLAIN)
    assert main([]) == 0
    assert capsys.readouterr().out == "no Lightning code found in 2 files, nothing to check\n"


def test_an_unreadable_file_wins_but_the_rest_is_reported(capsys: Captured) -> None:
    quoted = projects.SICK.replace('"val/f1"', "“val/f1”")
    projects.plant(Path(), sick=projects.SICK, word=quoted)
    assert main([]) == 2
    out = capsys.readouterr().out
    assert f"word.py:{projects.SICK_LINE}:18: cannot be read: typographic quote U+201C" in out
    assert f"sick.py:{projects.SICK_LINE}:9: LTN101" in out
    assert "1 finding, 1 file that cannot be read; 1 file read" in out


BROKEN = b"import lightning\n"


@pytest.mark.parametrize(
    "content",
    [
        BROKEN + b"def f(:",
        BROKEN + b"x = 1\0",
        BROKEN + b"x = '\xe9'",
        BROKEN + b"-" * 100_000 + b"1",
        BROKEN + b"print 'x'",
        "import lightning".encode("utf-16"),
        b"# coding: klingon\n" + BROKEN,
    ],
)
def test_what_cannot_be_read_never_ends_the_run(content: bytes, capsys: Captured) -> None:
    Path("a.py").write_bytes(content)
    projects.plant(Path(), sick=projects.SICK)
    assert main(["."]) == 2
    captured = capsys.readouterr()
    assert "a.py:" in captured.out
    assert "sick.py:13:9: LTN101" in captured.out
    assert captured.err == ""


KERAS = "model.fit(data, epochs=3, validation_steps=10)\nprint 'done'\n"


def test_a_broken_file_of_another_framework_is_nobodys_business(capsys: Captured) -> None:
    """``validation_steps`` is an argument of Keras, and no hook of Lightning."""
    projects.plant(Path(), keras=KERAS, sick=projects.SICK)
    assert main(["."]) == 1
    assert "keras.py" not in capsys.readouterr().out
    projects.plant(Path(), keras=KERAS + "def validation_step(")
    assert main(["."]) == 2


def test_a_tab_in_yaml_is_called_one(capsys: Captured) -> None:
    Path("config.yaml").write_text("trainer:\n  class_path: lightning.Trainer\n\tdevices: 1\n")
    assert main(["config.yaml"]) == 2
    out = capsys.readouterr().out
    assert out.startswith(
        "config.yaml:3:1: cannot be read: broken YAML: this line is indented with"
    )


NESTINGS = {
    "attributes": "x = a" + ".b" * 900,
    "calls": "x = a" + "()" * 900,
    "sum": "x = 1" + " + 1" * 900,
    "brackets": "x = " + "[" * 190 + "]" * 190,
    "not": "x = " + "not " * 900 + "1",
    "conditions": "x = " + "1 if a else " * 900 + "1",
    "blocks": "".join(" " * depth + "if a:\n" for depth in range(98)) + " " * 98 + "pass",
    "elif": "if a:\n    pass\n" + "elif a:\n    pass\n" * 900,
    "functions": "".join(" " * d + f"def f{d}():\n" for d in range(90)) + " " * 90 + "pass",
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_deep_code_that_python_can_still_parse_is_survived(nesting: str, capsys: Captured) -> None:
    body = "\n".join("        " + line for line in NESTINGS[nesting].split("\n"))
    text = projects.SICK + "\n    def training_step(self, batch, a):\n" + body + "\n"
    projects.plant(Path(), deep=text, sick=projects.SICK)
    code = main(["."])
    captured = capsys.readouterr()
    assert "sick.py:13:9: LTN101" in captured.out
    assert code == 1 or "deep.py" in captured.out.split("sick.py")[0]


def test_a_path_that_does_not_exist(capsys: Captured) -> None:
    assert main(["nowhere"]) == 2
    assert "nowhere: cannot be read: no such file\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--select", "LTN1011"], "no rule has the code 'LTN1011'; did you mean 'LTN101'?"),
        (["--ignore", "banana"], "no rule has the code 'banana'"),
        (["--config", "none.toml"], "none.toml: no such file"),
    ],
)
def test_settings_that_are_not_understood(
    arguments: list[str], words: str, capsys: Captured
) -> None:
    projects.plant(Path(), a=projects.HEALTHY)
    assert main([*arguments, "."]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


@pytest.mark.parametrize(
    "arguments",
    [["--no-such-option"], ["--output-format", "xml"], ["--fail-on", "all"], ["explain"]],
)
def test_bad_use(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: pl-lint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--selct", "LTN1", "."], "unrecognized arguments: --selct; did you mean --select?"),
        (["--unsafe-fix=1"], "did you mean --unsafe-fixes?"),
    ],
)
def test_an_unknown_option_names_the_nearest(
    arguments: list[str], words: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rulez"], "rulez: no such file and no command; did you mean rules?"),
        (["explian", "LTN101"], "did you mean explain?"),
        (["-"], "--stdin-filename FILE"),
        (["--write-baseline", "nodir/deep/x.json", "."], "nodir/deep: no such folder"),
    ],
)
def test_what_was_meant_is_said(arguments: list[str], words: str, capsys: Captured) -> None:
    projects.plant(Path(), a=projects.HEALTHY)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_a_folder_may_be_called_like_a_command() -> None:
    projects.plant(Path("rule"), model=projects.HEALTHY)
    assert main(["rule"]) == 0


def test_a_broken_configuration_is_bad_use(capsys: Captured) -> None:
    projects.plant(Path(), a=projects.HEALTHY)
    Path("pyproject.toml").write_text("[tool.pl-lint]\nselct = []\n", encoding="utf-8")
    assert main([]) == 2
    expected = "pl-lint: pyproject.toml: `selct`: no such setting; did you mean 'select'?\n"
    assert capsys.readouterr().err == expected


def test_suspected_findings_are_notes(suspicion: Rule, capsys: Captured) -> None:
    projects.plant(Path(), a=projects.HEALTHY)
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a.py:1:1: LTN000 (suspected) it may be\n")
    assert "  note: a mistake on a rainy day; `pytest --pl-check` decides by running it\n" in out
    assert "0 findings, 1 note (suspected, not counted); 1 file read" in out


def test_a_suspicion_that_no_run_decides_does_not_promise_one(
    suspicion: Rule, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    rule = replace(suspicion, observers="reading")
    monkeypatch.setattr(registry, "all_rules", lambda: (rule,))
    projects.plant(Path(), a=projects.HEALTHY)
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "  note: a mistake on a rainy day; only you can decide that\n" in out


def test_suspected_findings_count_for_the_strict(suspicion: Rule, capsys: Captured) -> None:
    projects.plant(Path(), a=projects.HEALTHY)
    assert main(["--fail-on", "suspected"]) == 1
    assert "\n1 finding; 1 file read" in capsys.readouterr().out
    table = '[tool.pl-lint]\nfail-on = "suspected"\n'
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    assert main([]) == 1
    assert main(["--fail-on", "certain"]) == 0


# --- selection, suppression, exclusion ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--select", "LTN101"], 1),
        (["--select", "LTN1,LTN101"], 1),
        (["--select", "ALL"], 1),
        (["--ignore", "LTN101"], 0),
        (["--ignore", "ltn1"], 0),
        (["--ignore", "LTN1", "--extend-select", "LTN101"], 1),
        (["--exclude", "model.py"], 2),
    ],
)
def test_rules_and_files_can_be_chosen(arguments: list[str], code: int) -> None:
    projects.plant(Path(), model=projects.SICK)
    assert main([*arguments, "."]) == code


def test_the_configuration_file_is_read() -> None:
    projects.plant(Path("src"), model=projects.SICK)
    Path("pyproject.toml").write_text("[tool.pl-lint]\nignore = ['LTN1']\n", encoding="utf-8")
    assert main(["src"]) == 0
    assert main(["src", "--select", "LTN101"]) == 1
    Path("other.toml").write_text("[tool.pl-lint]\n", encoding="utf-8")
    assert main(["src", "--config", "other.toml"]) == 1


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: LTN101", "# pl-lint: ignore[LTN101] why"])
def test_a_comment_hides_a_finding(comment: str) -> None:
    text = projects.SICK.replace("on_epoch=True)", f"on_epoch=True)  {comment}")
    projects.plant(Path(), model=text)
    assert main([]) == 0


# --- output ---------------------------------------------------------------------------------------


def test_json(capsys: Captured) -> None:
    projects.plant(Path(), model=projects.SICK, bad="import lightning\ndef f(:")
    assert main(["--output-format", "json"]) == 2
    document = json.loads(capsys.readouterr().out)
    (finding,) = document["findings"]
    assert (finding["code"], finding["path"], finding["line"]) == ("LTN101", "model.py", 13)
    assert finding["name"] and finding["counts"] is True
    assert [one["path"] for one in document["unreadable"]] == ["bad.py"]
    assert document["summary"]["exit_code"] == 2


def test_no_colours_for_programs() -> None:
    projects.plant(Path(), model=projects.SICK)
    assert "\x1b" not in command(".").stdout


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_for_people(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    projects.plant(Path(), model=projects.SICK)
    terminal = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([]) == 1
    assert ("\x1b[" in terminal.getvalue()) is coloured


def test_a_terminal_without_unicode_is_survived() -> None:
    projects.plant(Path(), model=projects.SICK.replace("val/f1", "日本/f1"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    run = command(".", env=environment)
    assert run.returncode == 1
    assert "\\u65e5" in run.stdout


def test_a_file_name_that_is_no_text_is_survived() -> None:
    try:
        Path(os.fsdecode(b"m\xff.py")).write_text(projects.SICK, encoding="utf-8")
    except OSError as error:
        assert error.errno == errno.EILSEQ  # this file system takes text only
        return
    for form in ("text", "json"):
        run = command(".", "--output-format", form)
        assert (run.returncode, run.stderr) == (1, "")
        assert "dcff" in run.stdout


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    text = "\n".join(projects.SICK.replace("LitClassifier", f"L{n}") for n in range(500))
    projects.plant(Path(), model=text)
    line = f'"{sys.executable}" -m pl_lint.cli . | head -n 1'
    run = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("model.py:")
    assert run.stderr == ""


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setattr(cli, "_dispatch", interrupted)
    assert main([]) == 130


def test_the_module_is_the_command() -> None:
    commands = ([sys.executable, "-m", "pl_lint"], [str(Path(sys.executable).parent / "pl-lint")])
    told = [
        subprocess.run([*command, "rules"], capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert told[0] == told[1] != ""


def test_version(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pl-lint {pl_lint.__version__}\n"


# --- what is said of settings and paths -----------------------------------------------------------


def told(capsys: Captured, *arguments: str) -> list[str]:
    main(["--no-cache", *arguments])
    return capsys.readouterr().out.splitlines()


def test_it_is_said_by_which_lightning_code_was_judged(capsys: Captured) -> None:
    for name in ("old", "new"):
        projects.plant(Path(name), model=projects.HEALTHY)
    assert not [line for line in told(capsys) if line.startswith("judged")]
    Path("old/requirements.txt").write_text("lightning==1.9.5\n", encoding="utf-8")
    migrate = "; what Lightning 2 wants changed: --target 2"
    line = "judged as code for Lightning 1.9 (old/requirements.txt)"
    assert line + migrate in told(capsys, "old")
    both = "2.6 (the newest that is known), 1 file; 1.9 (old/requirements.txt), 1 file"
    assert f"judged as code for Lightning {both}{migrate}" in told(capsys)
    assert "judged as code for Lightning 2.6 (target 2)" in told(capsys, "--target", "2", "old")
    assert f"{line}: 1" in told(capsys, "--show-settings", "old")
    document = json.loads("\n".join(told(capsys, "--output-format", "json", "old")))
    because = {"version": "1.9", "because": "old/requirements.txt", "files": 1}
    assert document["lightning"] == [because]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('lightning-version = "9.9"', "Lightning 9.9 is newer than what this pl-lint knows"),
        ('lightning-version = "1.25"', "there was no Lightning 1.25; known: 0.7, "),
        ('target = "2.50"', "`target`: Lightning 2.50 is newer"),
        ('[tool.pl-lint.per-file-ignores]\n"tets/**" = ["LTN1"]', "'tets/**' matches no file"),
    ],
)
@pytest.mark.parametrize("form", ["text", "concise", "json", "sarif", "github"])
def test_settings_without_effect_are_told(
    setting: str, said: str, form: str, capsys: Captured
) -> None:
    projects.plant(Path("tests"), model=projects.HEALTHY)
    Path("pyproject.toml").write_text(f"[tool.pl-lint]\n{setting}\n", encoding="utf-8")
    assert said in "\n".join(told(capsys, "--output-format", form))


def test_of_a_part_of_the_project_no_pattern_is_called_idle(capsys: Captured) -> None:
    for name in ("src", "tests"):
        projects.plant(Path(name), model=projects.HEALTHY)
    table = '[tool.pl-lint.per-file-ignores]\n"tests/**" = ["LTN1"]\n'
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    assert not [
        line for arguments in ([], ["src"]) for line in told(capsys, *arguments) if "'" in line
    ]


@pytest.mark.parametrize("form", ["text", "concise", "github"])
def test_an_empty_folder_is_named(form: str, capsys: Captured) -> None:
    Path("empty").mkdir()
    projects.plant(Path("src"), model=projects.HEALTHY)
    said = "empty: there is no file to read in this folder"
    assert said in "\n".join(told(capsys, "--output-format", form, "src", "empty"))
    assert "no Python file found" in "\n".join(told(capsys, "--output-format", form, "empty"))


def test_what_may_leave_a_folder_out_is_named_with_it(capsys: Captured) -> None:
    projects.plant(Path("src"), model=projects.HEALTHY)
    projects.plant(Path("old"), model=projects.HEALTHY)
    Path("pyproject.toml").write_text('[tool.pl-lint]\nexclude = ["old/"]\n', encoding="utf-8")
    said = "old: there is no file to read in this folder, but for what `exclude` leaves out (old/)"
    assert said in "\n".join(told(capsys, "src", "old"))


def test_it_is_said_which_rules_are_in_preview(capsys: Captured) -> None:
    previews = [rule.code for rule in registry.all_rules() if rule.preview]
    with pytest.raises(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert ("(at present there are none)" in words) is not bool(previews)
    main(["rules"])
    listed = capsys.readouterr()
    assert not listed.err
    assert [line.split()[0] for line in listed.out.splitlines() if "(preview)" in line] == previews
    assert f"in preview: {', '.join(previews) or 'none'}" in told(capsys, "--show-settings")


# --- explain and rules ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [lambda r: r.code, lambda r: r.name, lambda r: r.rows[0]])
@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_a_rule_is_explained_by_any_of_its_names(
    call: Callable[[Rule], str], spelling: Callable[[str], str], capsys: Captured
) -> None:
    rule = registry.all_rules()[0]
    assert main(["explain", spelling(call(rule))]) == 0
    out = capsys.readouterr().out
    assert f"# {rule.code}: {rule.name}\n" in out
    assert rule.summary in out


def test_the_rules_of_a_family_are_listed(capsys: Captured) -> None:
    assert main(["rules", "ltn10", "LTN201"]) == 0
    codes = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"LTN101", "LTN201"} < {*codes}
    assert all(code.startswith(("LTN10", "LTN201")) for code in codes)
    assert main(["rules", "XYZ"]) == 2
    assert "no rule has a code that begins with XYZ" in capsys.readouterr().err


def test_an_unknown_code_names_the_nearest(capsys: Captured) -> None:
    assert main(["explain", "LTN1O1"]) == 2
    assert (
        "no rule and no check is called 'LTN1O1'; did you mean LTN101?" in capsys.readouterr().err
    )
    assert main(["explain", "LTN13"]) == 2
    assert "did you mean LTN130, LTN131, LTN132, LTN133, " in capsys.readouterr().err
    assert main(["explain", "zzzz"]) == 2
    assert "`pl-lint rules` lists them" in capsys.readouterr().err


def test_every_rule_is_listed(capsys: Captured) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rules = registry.all_rules()
    assert [line.split()[0] for line in lines] == [rule.code for rule in rules]
    assert [line.split()[1] for line in lines] == ["on" if r.default else "off" for r in rules]


# --- start-up -------------------------------------------------------------------------------------

HEAVY = ("torch", "lightning", "pytorch_lightning", "torchmetrics", "pytest", "numpy", "hypothesis")


def imported(*arguments: str) -> set[str]:
    code = (
        "import sys; from pl_lint.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    return set(run.stderr.split())


def test_reading_imports_nothing_heavy() -> None:
    projects.plant(Path(), model=projects.SICK)
    assert not imported(".") & set(HEAVY)


def test_reading_imports_no_module_that_writes_code() -> None:
    """``dataclasses`` compiles the methods of each class, which was a third of a small reading."""
    projects.plant(Path(), model=projects.SICK)
    assert not imported("--no-cache", ".") & {"dataclasses", "inspect"}


def test_files_without_lightning_wait_for_no_rule() -> None:
    projects.plant(Path(), other="x = 1\n")
    above = ("pl_lint.rules", "pl_lint.static.interpreter", "pl_lint.static.judgement")
    assert not [name for name in imported("--no-cache", ".") if name.startswith(above)]


def test_help_imports_next_to_nothing() -> None:
    modules = imported("--help")
    assert not modules & {*HEAVY, "pathspec", "pl_lint.static.engine", "pl_lint.config", "json"}
