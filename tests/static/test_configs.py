"""Settings in YAML: what of a file is understood, what Hydra composes, and which sites come."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pl_lint.cli import main
from pl_lint.config import Config
from pl_lint.facts.sites import ABSENT, MonitorSite, ProjectFacts
from pl_lint.facts.values import UNKNOWN, Known, Pattern
from pl_lint.rules.registry import all_rules
from pl_lint.static.configs.tree import OPAQUE, Broken, Leaf, Listing, Node, parse
from pl_lint.static.engine import Reading, read

MODULE = """
import lightning.pytorch as pl

class Lit(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))
"""
CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("lit.py", MODULE)
    return tmp_path


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), "utf-8")


def reading(**options: object) -> Reading:
    given = {"select": ("LTN301",), **options}
    config = Config(root=Path.cwd(), **given)  # type: ignore[arg-type]
    return read([Path(".")], config, all_rules())


def facts() -> ProjectFacts:
    return reading().project


def monitors() -> tuple[MonitorSite, ...]:
    return facts().monitors


def plain(node: Node | None) -> object:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return {} if node is None else {name: plain(one) for name, one in node.entries.items()}


# --- one file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-3", 0.001),
        ("a: '1e-3'", "1e-3"),
        ("a: 1_000", 1000),
        ("a: 010", 8),
        ("a: .inf", float("inf")),
        ("a: 2024-01-02", "2024-01-02"),
        ("a: off", False),
        ("a: ~", None),
        ("a: !!str 1", "1"),
        ("a: !env HOME", OPAQUE),
        ("a: !!python/object:os.system x", OPAQUE),
        ("a: 1:30", OPAQUE),
        ("a: 1\na: 2", 2),
        ("b: &x {c: 1}\na: {<<: *x, d: 2}", {"c": 1, "d": 2}),
        ("b: &x {c: 1}\na: {c: 3, <<: [*x, *x]}", {"c": 3}),
        ("a: &x [1, *x]", [1, OPAQUE]),
        ("a:\n  - b\n  - |\n    c\n", ["b", "c\n"]),
    ],
)
def test_values_are_what_omegaconf_and_jsonargparse_read(text: str, value: object) -> None:
    tree = parse(text, "a.yaml")
    assert tree is not None
    assert plain(tree.get("a")) == value


@pytest.mark.parametrize(
    "text", ["- a", "a: 1\n---\nb: 2", "word", "[" * 500 + "]" * 500, "[" * 90_000]
)
def test_what_is_no_table_of_settings_is_left_alone(text: str) -> None:
    assert parse(text, "a.yaml") is None


def test_an_empty_file_is_an_empty_table() -> None:
    tree = parse("# nothing\n", "a.yaml")
    assert tree is not None
    assert not tree.entries


def test_aliases_to_aliases_end_in_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    started = time.monotonic()
    assert parse("\n".join(lines), "a.yaml") is None
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "{{ a }}: }", "a: \t- b\n  c", "a: \0"])
def test_what_is_no_yaml_is_said_with_its_line(text: str) -> None:
    with pytest.raises(Broken) as caught:
        parse(f"x: 1\n{text}", "a.yaml")
    assert caught.value.line >= 1


def test_every_value_knows_where_it_stands() -> None:
    tree = parse("a:\n  b: 'c d'  # e\n", "a.yaml")
    assert tree is not None
    inner = tree.table("a")
    assert inner is not None
    place = inner.entries["b"].place
    assert (place.line, place.column, place.end_line, place.end_column) == (2, 6, 2, 11)


# --- which files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{{ cookiecutter.x }}: [", "key: [", "a: {% if b %}"])
def test_broken_yaml_of_others_is_not_told(text: str) -> None:
    write("ci.yaml", f"lightning: 1\n{text}\n")
    assert not reading().unreadable


def test_broken_yaml_of_lightning_is_told_once_and_with_its_line() -> None:
    write("a.yaml", f"trainer:\n  callbacks:\n    - class_path: {CHECKPOINT}\n      init_args: [\n")
    (unreadable,) = reading().unreadable
    assert "broken YAML" in unreadable.message
    assert unreadable.location.path == "a.yaml"
    assert unreadable.location.line >= 4


@pytest.mark.parametrize(
    "text",
    [
        "seed_everything: 1\ntrainer:\n  max_epochs: 1\n model: [\n",
        "trainer:\n  max_epochs: 1\nmodel:\n  class_path: lit.Lit\n   lr: 1\n",
    ],
)
def test_a_broken_file_of_the_command_line_is_told_whatever_it_builds(text: str) -> None:
    write("fit.yaml", text)
    (unreadable,) = reading().unreadable
    assert "broken YAML" in unreadable.message


@pytest.mark.parametrize("text", ["trainer: [", "jobs: {class_path: [", "seed_everything: 1\na: ["])
def test_half_of_a_command_line_may_be_of_others(text: str) -> None:
    write("a.yaml", text)
    assert not reading().unreadable


def test_a_file_that_is_named_is_told_as_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one that is whole, and no template."""
    (tmp_path / "mine.yaml").write_text("lr: 1\n  depth: 2\n")
    (tmp_path / "whole.yaml").write_text("lr: 1\n")
    (tmp_path / "chart.yaml").write_text("lr: {{ a }}: [\n")
    names = [str(tmp_path / name) for name in ("mine.yaml", "whole.yaml", "chart.yaml")]
    assert main(["--no-cache", "--output-format", "concise", *names]) == 2
    told = capsys.readouterr().out
    assert "mine.yaml:2:" in told and told.count("broken YAML") == 1


def test_a_template_of_lightning_is_not_told() -> None:
    write("a.yaml", f"_target_: {CHECKPOINT}\nmonitor: {{{{ a }}}}: [\n")
    assert not reading().unreadable


CLI = f"""\
seed_everything: 1
trainer:
  max_epochs: 1
  callbacks:
    - class_path: {CHECKPOINT}
      init_args: {{monitor: val_acc}}
"""


@pytest.mark.parametrize("name", ["a.yaml", "conf/b.yml"])
def test_settings_are_read_wherever_python_is(name: str) -> None:
    write(name, CLI)
    assert [one.location.path for one in reading().findings] == [name]


@pytest.mark.parametrize("name", [".github/a.yaml", "lightning_logs/version_0/config.yaml"])
def test_what_a_run_wrote_and_what_is_hidden_is_not_read(name: str) -> None:
    write(name, CLI)
    assert not reading().findings


def test_gitignore_exclude_and_per_file_ignores_hold_for_settings() -> None:
    write("a.yaml", CLI)
    write("b.yaml", CLI)
    write(".gitignore", "a.yaml\n")
    assert {one.location.path for one in reading().findings} == {"b.yaml"}
    assert not reading(exclude=("b.yaml",)).findings


def test_yaml_of_others_is_not_counted() -> None:
    write("compose.yaml", "services: {a: 1}")
    assert reading().files == 1


# --- what is built --------------------------------------------------------------------------------


def test_the_command_line_of_lightning() -> None:
    write("a.yaml", CLI + "model: {class_path: lit.Lit}\n")
    found = facts()
    (monitor,) = found.monitors
    assert (monitor.key, monitor.mode) == (Known("val_acc"), Known("min"))
    assert [one.short_name for one in found.trained_with(monitor)] == ["Lit"]
    assert monitor.at("monitor").line == 6
    assert monitor.location.line == 5
    (trainer,) = found.trainers
    assert trainer.argument("max_epochs") == Known(1)
    assert trainer.argument("devices") == UNKNOWN
    assert trainer.at("max_epochs").line == 3
    assert [one.location.line for one in found.seeds] == [1]


def test_without_a_class_the_modules_of_the_project_are_meant() -> None:
    write("a.yaml", CLI + "model: {rate: 0.1}\n")
    found = facts()
    assert [one.short_name for one in found.trained_with(found.monitors[0])] == ["Lit"]


@pytest.mark.parametrize("model", ["other.package.Net", "lit.build", "${model_class}"])
def test_a_model_that_is_not_seen_is_no_model_of_the_project(model: str) -> None:
    write("a.yaml", CLI + f"model: {{class_path: '{model}'}}\n")
    assert [one.modules for one in monitors()] in ([()], [("lit.Lit",)] * (model[0] == "$"))


def hydra(**files: str) -> None:
    for name, text in files.items():
        write(f"conf/{name.replace('__', '/')}.yaml", text)


def test_later_files_override_earlier_ones() -> None:
    hydra(
        train="""
            defaults:
              - callbacks: both
              - _self_
            callbacks: {best: {mode: max}}
        """,
        callbacks__both="""
            defaults: [base, _self_]
            best: {monitor: val/acc}
        """,
        callbacks__base=f"""
            best: {{_target_: {CHECKPOINT}, monitor: null, mode: min}}
        """,
    )
    (monitor,) = monitors()
    assert (monitor.key, monitor.mode) == (Known("val/acc"), Known("max"))
    assert monitor.at("monitor").path == "conf/callbacks/both.yaml"
    assert monitor.at("mode").path == "conf/train.yaml"
    assert monitor.location.path == "conf/callbacks/base.yaml"


def test_an_experiment_overrides_groups_and_values() -> None:
    hydra(
        train="defaults: [_self_, {callbacks: a}, {experiment: null}]",
        callbacks__a=f"best: {{_target_: {CHECKPOINT}, monitor: a}}",
        callbacks__b=f"best: {{_target_: {CHECKPOINT}, monitor: b}}",
        experiment__e="""\
            # @package _global_
            defaults: [override /callbacks: b]
            callbacks: {best: {mode: max}}
        """,
    )
    found = {(one.key, one.mode) for one in monitors()}
    assert found == {(Known("a"), Known("min")), (Known("b"), Known("max"))}


@pytest.mark.parametrize(
    ("entry", "header", "path"),
    [
        ("{parts: a}", "", ("parts", "best")),
        ("{parts@here: a}", "", ("here", "best")),
        ("{/parts@here.there: a.yaml}", "", ("here", "there", "best")),
        ("{parts: a}", "# @package _global_", ("best",)),
        ("{parts: a}", "# @package x.y", ("x", "y", "best")),
        ("{optional parts: [a]}", "# @package _group_", ("parts", "best")),
        ("parts/a", "", ("parts", "best")),
    ],
)
def test_packages_are_where_hydra_puts_them(entry: str, header: str, path: tuple[str, ...]) -> None:
    reference = "${" + ".".join(path) + ".monitor}"
    hydra(
        config=f"""
            defaults: [{entry}, {{more: x}}]
            stop: {{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: '{reference}'}}
        """,
        parts__a=f"{header}\nbest: {{_target_: {CHECKPOINT}, monitor: k}}",
        more__x="{}",
    )
    assert [one.key for one in monitors()] == [Known("k"), Known("k")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${name}", Known("val")),
        ("${.monitored}/loss", Known("val/loss")),
        ("${oc.env:KEY}", UNKNOWN),
        ("${oc.env:KEY}/loss", Pattern((None, "/loss"))),
        ("${nothing.here}", UNKNOWN),
        ("${circle}", UNKNOWN),
        ("???", UNKNOWN),
        ("null", ABSENT),
    ],
)
def test_references_are_followed_as_far_as_they_can_be(text: str, value: object) -> None:
    hydra(
        config=f"""
            defaults: [{{parts: a}}, _self_]
            name: val
            circle: ${{circle}}
            best: {{_target_: {CHECKPOINT}, monitored: '${{name}}', monitor: {text!r}}}
        """.replace("'null'", "null"),
        parts__a="{}",
    )
    assert [one.key for one in monitors()] == [value]


def test_what_one_composition_completes_is_not_missing_in_another() -> None:
    hydra(
        train="defaults: [{callbacks: a}, {experiment: null}]",
        callbacks__a=f"best: {{_target_: {CHECKPOINT}, monitor: null}}",
        experiment__e="# @package _global_\ncallbacks: {best: {monitor: val/loss}}",
    )
    assert {one.key for one in monitors()} == {UNKNOWN, Known("val/loss")}


def test_a_missing_config_makes_all_unknown() -> None:
    hydra(
        train="defaults: [{callbacks: a}, {model: registered}]",
        callbacks__a=f"best: {{_target_: {CHECKPOINT}, monitor: val/acc}}",
    )
    (monitor,) = monitors()
    assert (monitor.mode, monitor.modules) == (UNKNOWN, ())


def test_circles_of_configs_end() -> None:
    hydra(
        train="defaults: [{a: x}]",
        a__x="defaults: [/b: y]",
        b__y=f"defaults: [/a: x]\nbest: {{_target_: {CHECKPOINT}, monitor: k}}",
    )
    assert UNKNOWN in {one.mode for one in monitors()}


def test_debugging_is_odd_on_purpose() -> None:
    hydra(
        train="defaults: [{trainer: default}, {debug: null}]",
        trainer__default="_target_: lightning.pytorch.Trainer\nmax_epochs: 3",
        debug__limit="# @package _global_\ntrainer: {limit_train_batches: 3}",
    )
    assert {one.argument("limit_train_batches") for one in facts().trainers} == {UNKNOWN}


def test_arguments_as_the_first_hydra_wrote_them() -> None:
    hydra(
        train="defaults: [{trainer: default}]",
        trainer__default="_target_: pytorch_lightning.Trainer\nparams: {max_epochs: 3}",
    )
    (trainer,) = facts().trainers
    assert trainer.argument("max_epochs") == Known(3)


PIECES = ["a", "b: ", "- ", "\n", "  ", "&x ", "*x", "<<: ", "{", "}", "[", "]", "!t ", "'", '"']
PIECES += ["_target_: ", CHECKPOINT, "defaults: ", "${a}", "???", "|", "---\n", "# @package ", "\t"]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.lists(st.sampled_from(PIECES)))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_stands_in_a_file_reading_ends(one: list[str], other: list[str]) -> None:
    write("conf/train.yaml", "defaults: [{callbacks: a}, {experiment: null}]\n" + "".join(one))
    write("conf/callbacks/a.yaml", "".join(one))
    write("conf/experiment/e.yaml", "# @package _global_\n" + "".join(other))
    assert read([Path(".")], Config(root=Path.cwd()), ()).files >= 1


def test_nobody_is_bothered_with_yaml_without_need() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from pathlib import Path; from pl_lint.static.engine import read;"
        "from pl_lint.config import Config; write = Path('data.yaml').write_text('a: 1');"
        "read([Path('.')], Config(root=Path('.')), ()); print('yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


# --- settings that code hands on ------------------------------------------------------------------

SCRIPT = """
import lightning.pytorch as pl
from omegaconf import OmegaConf

def main(cfg):
    {body}
"""
HANDED = [
    "pl.Trainer(**cfg.trainer, callbacks=[])",
    'pl.Trainer(**cfg["trainer"], callbacks=[])',
    "pl.Trainer(callbacks=[], **OmegaConf.to_container(cfg.trainer, resolve=True))",
]


@pytest.mark.parametrize("body", HANDED)
def test_settings_that_a_script_hands_to_a_trainer_are_its_own(body: str) -> None:
    hydra(train="defaults: [_self_, {trainer: cpu}]", trainer__cpu="max_epochs: 3\ndevices: 1")
    write("train.py", SCRIPT.format(body=body))
    (trainer,) = facts().trainers
    assert (trainer.argument("max_epochs"), trainer.argument("devices")) == (Known(3), Known(1))
    assert trainer.argument("callbacks") == Known(()) and trainer.argument("gpus") == UNKNOWN
    assert trainer.location.path == "train.py"
    assert (trainer.at("devices").path, trainer.at("devices").line) == ("conf/trainer/cpu.yaml", 2)


def test_settings_are_looked_for_by_the_name_that_code_has_for_them() -> None:
    write("conf/a.yaml", "trainer_params: {max_epochs: 3}\n")
    body = 'self.file = "a.yaml"; pl.Trainer(**self.config["trainer_params"])'
    write("train.py", SCRIPT.format(body=body))
    assert [one.argument("max_epochs") for one in facts().trainers] == [Known(3)]


ASKED = [
    "pl.Trainer(devices=cfg.trainer.devices)",
    'pl.Trainer(devices=getattr(cfg.trainer, "devices", 4))',
    'pl.Trainer(devices=self.cfg["trainer"].devices)',
    'pl.Trainer(devices=cfg["trainer"].get("devices", 4))',
]


@pytest.mark.parametrize("body", ASKED)
def test_settings_are_asked_on_how_many_devices_a_trainer_runs(body: str) -> None:
    write("conf/train.yaml", "trainer: {devices: 1, name: a, folder: b}\n")
    write("train.py", SCRIPT.format(body='"conf/train.yaml"; ' + body))
    assert [one.argument("devices") for one in facts().trainers] == [Known(1)]


def test_code_says_what_holds_where_settings_do_not() -> None:
    write("train.py", SCRIPT.format(body='pl.Trainer(devices=cfg.trainer.get("devices", 1))'))
    assert [one.argument("devices") for one in facts().trainers] == [Known(1)]


def test_each_config_may_say_on_how_many_devices_a_trainer_runs() -> None:
    hydra(
        train="defaults: [_self_, {trainer: cpu}]",
        trainer__cpu="devices: 1",
        trainer__gpus="devices: 4",
    )
    write("train.py", SCRIPT.format(body="pl.Trainer(devices=cfg.trainer.devices)"))
    assert {one.argument("devices") for one in facts().trainers} == {Known(1), Known(4)}


@pytest.mark.parametrize("asked", ["args.devices", "cfg.run.devices", "count(cfg.trainer.devices)"])
def test_nothing_else_is_asked(asked: str) -> None:
    hydra(
        train="defaults: [_self_, {trainer: cpu}]\ndevices: 1\nrun: {devices: [1, 2], gpus: 1}",
        trainer__cpu="devices: 1",
    )
    write("train.py", SCRIPT.format(body=f"pl.Trainer(devices={asked})"))
    (trainer,) = facts().trainers
    assert trainer.argument("devices") == (Known((1, 2)) if "run" in asked else UNKNOWN)


def test_a_file_by_itself_is_handed_on_where_the_script_names_it() -> None:
    write("conf/a.yaml", "trainer: {max_epochs: 3}\n")
    write("conf/b.yaml", "trainer: {max_epochs: 9}\n")
    write("train.py", SCRIPT.format(body='"conf/a.yaml"; pl.Trainer(**cfg["trainer"])'))
    assert [one.argument("max_epochs") for one in facts().trainers] == [Known(3)]


@pytest.mark.parametrize(
    "settings", ["{name: a, folder: b, max_epochs: 1}", "{_target_: project.Own, max_epochs: 1}"]
)
def test_settings_of_something_else_are_not_handed_on(settings: str) -> None:
    hydra(train="defaults: [_self_, {model: a}]\ntrainer: " + settings, model__a="size: 1")
    write("train.py", SCRIPT.format(body="pl.Trainer(**cfg.trainer)"))
    assert [one.argument("max_epochs") for one in facts().trainers] == [UNKNOWN]


def test_a_trainer_that_nobody_chose_is_told_by_its_own_file() -> None:
    hydra(
        train="defaults: [_self_, {trainer: cpu}]",
        trainer__cpu="_target_: lightning.pytorch.Trainer\nmax_epochs: 3",
        trainer__gpu="_target_: lightning.pytorch.Trainer\nmax_epochs: 9",
    )
    assert {one.argument("max_epochs") for one in facts().trainers} == {Known(3), Known(9)}
