"""Fixes in YAML: values, names and lines, where the place is certain; else nothing."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml

from pl_lint.config import Config
from pl_lint.fixes import Applicability, Fix, SetArgument
from pl_lint.places import Location
from pl_lint.rules.registry import all_rules
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.configs.files import read as read_settings
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import Mended, mend
from pl_lint.static.fixing.settings import SettingsMender
from pl_lint.static.fixing.text import Document

SCRIPT = """
import hydra
import lightning.pytorch as pl

@hydra.main(config_path="conf", config_name="train")
def main(cfg):
    hydra.utils.instantiate(cfg.trainer).fit(hydra.utils.instantiate(cfg.model))
"""
TRAINER = "_target_: lightning.pytorch.Trainer"
CALL = Location("conf/trainer/a.yaml", 1, 11, 1, 36)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "trainer").mkdir(parents=True)
    (tmp_path / "train.py").write_text(SCRIPT, "utf-8")
    (tmp_path / "requirements.txt").write_text("lightning==2.4\n", "utf-8")
    (tmp_path / "conf" / "train.yaml").write_text("defaults: [_self_, {trainer: a}]\n", "utf-8")
    return tmp_path


def settings(text: str) -> Path:
    path = Path("conf/trainer/a.yaml")
    path.write_bytes(textwrap.dedent(text).encode("utf-8"))
    return path


def mended(code: str) -> Mended:
    config = Config(root=Path.cwd(), select=(code,), unsafe_fixes=True)
    result = mend([Path(".")], config, all_rules())
    result.write()
    return result


def test_a_value_becomes_another_one() -> None:
    path = settings(f"# é\n{TRAINER}\nprecision:   16  # half\nmax_epochs: 3\n")
    result = mended("LTN605")
    assert path.read_text("utf-8") == (
        f'# é\n{TRAINER}\nprecision:   "16-mixed"  # half\nmax_epochs: 3\n'
    )
    assert "+precision" in result.diff() and not mended("LTN605").after


def test_line_ends_and_a_mark_at_the_beginning_stay() -> None:
    path = settings(f"\ufeff{TRAINER}\r\nprecision: 16\r\nmax_epochs: 3")
    mended("LTN605")
    text = f'\ufeff{TRAINER}\r\nprecision: "16-mixed"\r\nmax_epochs: 3'
    assert path.read_bytes() == text.encode("utf-8")


def test_a_name_and_its_value_become_others() -> None:
    path = settings(f"{TRAINER}\nweights_summary: null\nmax_epochs: 3\n")
    (finding,) = mended("LTN703").fixed
    assert path.read_text("utf-8") == f"{TRAINER}\nenable_model_summary: false\nmax_epochs: 3\n"
    assert finding.fix is not None  # other files may refer to the old name
    assert finding.fix.applicability is Applicability.UNSAFE


def test_a_line_goes_where_nothing_else_stands_in_it() -> None:
    path = settings(f"{TRAINER}\nweights_summary: top\nmax_epochs: 3\n")
    assert mended("LTN703").fixed
    assert path.read_text("utf-8") == f"{TRAINER}\nmax_epochs: 3\n"


def test_the_trainer_of_a_command_line_has_no_class_path() -> None:
    path = Path("fit.yaml")
    path.write_text(
        "seed_everything: 1\ntrainer:\n  fast_dev_run: true\n  max_epochs: 3\n", "utf-8"
    )
    assert [one.code for one in mended("LTN951").fixed] == ["LTN951"]
    assert path.read_text("utf-8") == "seed_everything: 1\ntrainer:\n  max_epochs: 3\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LTN703", f"{TRAINER}\nweights_summary: top  # said why\n"),
        ("LTN703", f"{{{TRAINER}, weights_summary: top}}\n"),
        ("LTN605", f"{TRAINER}\nprecision: &half 16\nother: *half\n"),
        ("LTN605", f"half: &half 16\n{TRAINER}\nprecision: *half\n"),
        ("LTN605", f"base: &base\n  precision: 16\n<<: *base\n{TRAINER}\n"),
        ("LTN605", f"{TRAINER}\nprecision:\n  16\n"),
    ],
)
def test_what_has_no_certain_place_is_left_alone(code: str, text: str) -> None:
    path = settings(text)
    config = Config(root=Path.cwd(), select=(code,), unsafe_fixes=True)
    assert [one.code for one in read([Path(".")], config, all_rules()).findings] == [code]
    assert not mended(code).after
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("True", True),
        ("None", None),
        ("2", 2),
        ("0.5", 0.5),
        ('"max"', "max"),
        ('"yes"', "yes"),
        ('"a: b"', "a: b"),
        ("'16-mixed'", "16-mixed"),
    ],
)
def test_a_constant_means_the_same_in_yaml(source: str, value: object) -> None:
    path = settings(f"{TRAINER}\nprecision: 99\n")
    file = read_settings(path, path.read_bytes())
    assert isinstance(file, ConfigFile)
    (fix,) = SettingsMender(file).resolved([Fix("", (SetArgument(CALL, "precision", source),))])
    assert fix is not None
    text = Document(file.text).edited(fix.edits).text
    assert yaml.safe_load(text)["precision"] == value


@pytest.mark.parametrize("source", ["self.device", "len(x)", "1 +"])
def test_what_only_code_can_say_is_no_setting(source: str) -> None:
    path = settings(f"{TRAINER}\nprecision: 99\n")
    file = read_settings(path, path.read_bytes())
    assert isinstance(file, ConfigFile)
    change = SetArgument(CALL, "precision", source)
    assert SettingsMender(file).resolved([Fix("", (change,)), None]) == [None, None]


def test_every_fix_leaves_all_other_settings_as_they_are() -> None:
    path = settings(
        f"""
        {TRAINER}
        precision: 16
        weights_summary: null
        nested: {{a: [1, 2.50, 'x'], "b": ~}}   # a comment
        list:
        - 1e-3
        - "no"
        """
    )
    before = yaml.safe_load(path.read_text("utf-8"))
    text = path.read_text("utf-8")
    assert mended("LTN605").fixed and mended("LTN703").fixed
    after = yaml.safe_load(path.read_text("utf-8"))
    del before["weights_summary"]
    assert after == {**before, "precision": "16-mixed", "enable_model_summary": False}
    kept = [line for line in text.splitlines() if "16" not in line and "summary" not in line]
    assert [line for line in path.read_text("utf-8").splitlines() if line in kept] == kept
