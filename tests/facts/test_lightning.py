"""The tables of Lightning against the installed Lightning, and their history."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.fabric.loggers import Logger as FabricLogger
from lightning.pytorch.trainer.connectors.logger_connector.fx_validator import _FxValidator

from pl_lint.facts import floors, generate, lightning
from pl_lint.facts.origins import NO_ORIGIN
from pl_lint.facts.releases import Release, read_release, spans
from pl_lint.facts.sites import LogSite
from pl_lint.facts.values import UNKNOWN, Known
from pl_lint.findings import Location

CLASSES = {
    "LightningModule": pl.LightningModule,
    "LightningDataModule": pl.LightningDataModule,
    "Callback": pl.Callback,
}
KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "args",
    inspect.Parameter.VAR_KEYWORD: "kwargs",
}


def installed_hooks(kind: str) -> dict[str, Any]:
    """What Python finds on the class, its mixins of Lightning included, torch's left out."""
    ours = [one for one in CLASSES[kind].__mro__ if one.__module__.startswith("lightning.")]
    return {
        name: value
        for one in reversed(ours)
        for name, value in vars(one).items()
        if inspect.isfunction(value)
        and generate.HOOK_SHAPE.fullmatch(name)
        and not name.startswith("_")
    }


def described(function: Any) -> list[tuple[str, str, object]]:
    parameters = list(inspect.signature(function).parameters.values())
    own = parameters[1:] if parameters and parameters[0].name in ("self", "cls") else parameters
    return [(one.name, KINDS[one.kind], _default(one.default)) for one in own]


def _default(value: object) -> object:
    if value is inspect.Parameter.empty:
        return None
    plain = value is None or isinstance(value, (bool, int, float, str))
    return Known(value) if plain else UNKNOWN


def stated(parameters: tuple[lightning.Parameter, ...] | None) -> list[tuple[str, str, object]]:
    assert parameters is not None
    return [(one.name, one.kind, one.default) for one in parameters]


class TestAgainstTheInstalledLightning:
    @pytest.mark.parametrize("kind", lightning.HOOKED_KINDS)
    def test_hooks_and_their_parameters(self, kind: str) -> None:
        table = {name: stated(hook.parameters) for name, hook in lightning.hooks(kind).items()}
        assert table == {name: described(one) for name, one in installed_hooks(kind).items()}

    @pytest.mark.parametrize(
        ("dotted", "function"),
        [
            (lightning.TRAINER, pl.Trainer.__init__),
            (lightning.MODEL_CHECKPOINT, pl.callbacks.ModelCheckpoint.__init__),
            (lightning.EARLY_STOPPING, pl.callbacks.EarlyStopping.__init__),
            (lightning.SEED_EVERYTHING, pl.seed_everything),
            (f"{lightning.MODULE}.log", pl.LightningModule.log),
            (f"{lightning.MODULE}.log_dict", pl.LightningModule.log_dict),
            (f"{lightning.TRAINER}.fit", pl.Trainer.fit),
            (f"{lightning.TRAINER}.test", pl.Trainer.test),
        ],
    )
    def test_signatures(self, dotted: str, function: Any) -> None:
        assert stated(lightning.signature(dotted)) == described(function)

    @pytest.mark.parametrize("kind", ["Callback", "Logger", "LightningModule"])
    def test_every_class_is_what_its_table_says(self, kind: str) -> None:
        # LitLogger extends Fabric's Logger, and so do Lightning's own.
        root = {**CLASSES, "Logger": FabricLogger}[kind]
        # Some are of the past and some need packages that are not installed.
        named = [name for name, one in lightning._data()["kinds"].items() if one == kind]
        found = {dotted: _imported(dotted) for dotted in named}
        present = {dotted: one for dotted, one in found.items() if one is not None}
        assert len(present) >= 5
        for dotted, one in present.items():
            assert issubclass(one, root), dotted

    def test_every_exported_callback_and_logger_is_known(self) -> None:
        for module in (pl.callbacks, pl.loggers):
            for name in module.__all__:
                dotted = lightning.canonical(f"{module.__name__}.{name}")
                assert dotted is not None, name
                assert _imported(dotted) is getattr(module, name)

    def test_logging_table(self) -> None:
        for hook, options in _FxValidator.functions.items():
            defaults = lightning.log_defaults(hook)
            assert (defaults is None) == (options is None), hook

    @pytest.mark.parametrize("on_step", [None, True, False])
    @pytest.mark.parametrize("on_epoch", [None, True, False])
    def test_log_flags_resolve_as_lightning_resolves_them(
        self, on_step: bool | None, on_epoch: bool | None
    ) -> None:
        for hook in [*_FxValidator.functions, "forward"]:
            assert _ours(hook, on_step, on_epoch) == _theirs(hook, on_step, on_epoch), hook

    def test_the_generator_reads_the_installed_sources_to_the_same_tables(
        self, installed: Release
    ) -> None:
        for kind in lightning.HOOKED_KINDS:
            column = {name: hook.parameters for name, hook in lightning.hooks(kind).items()}
            fresh = generate.hook_table(installed, kind)
            assert column == {name: lightning._parameters(rows) for name, rows in fresh.items()}
        assert generate.log_table(installed) == lightning._data()["log"]
        assert generate.raising_hooks(installed)["LightningModule"] == [
            "test_epoch_end",
            "training_epoch_end",
            "validation_epoch_end",
        ]

    def test_the_generator_is_deterministic(self, installed: Release) -> None:
        empty = Release("2.6.6", {"lightning": installed.modules["pytorch_lightning"]})
        first = generate.to_json(generate.lightning_facts([installed], empty))
        again = generate.to_json(generate.lightning_facts([installed], empty))
        assert first == again
        assert len(first) > 50_000


def _imported(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _ours(hook: str, on_step: bool | None, on_epoch: bool | None) -> tuple[bool, bool] | None:
    flags = lightning.resolve_log_flags(hook, on_step, on_epoch)
    return None if flags is None else (flags.on_step, flags.on_epoch)


def _theirs(hook: str, on_step: bool | None, on_epoch: bool | None) -> tuple[bool, bool] | None:
    from lightning.pytorch.trainer.connectors.logger_connector.result import _Metadata

    try:
        flags = _FxValidator.check_logging_and_get_default_levels(hook, on_step, on_epoch)
        _Metadata(fx=hook, name="key", on_step=flags[0], on_epoch=flags[1])
    except (RuntimeError, ValueError, pl.utilities.exceptions.MisconfigurationException):
        return None
    return flags


@pytest.fixture(scope="module")
def installed() -> Release:
    """The installed pytorch_lightning, parsed as the generator parses a wheel."""
    pytorch_lightning = pytest.importorskip("pytorch_lightning")
    root = Path(pytorch_lightning.__file__).parent.parent
    return read_release(root, generate.LIGHTNING, pytorch_lightning.__version__)


class TestHistory:
    def test_versions_leave_no_gap(self) -> None:
        known = lightning.versions()
        assert known[-1] == lightning.LATEST
        assert {(1, minor) for minor in range(10)} <= set(known)
        assert {(2, minor) for minor in range(7)} <= set(known)

    @pytest.mark.parametrize(
        ("kind", "name", "version", "replacement", "raises"),
        [
            ("LightningModule", "training_epoch_end", (2, 6), "on_train_epoch_end", True),
            ("LightningModule", "validation_epoch_end", (2, 0), "on_validation_epoch_end", True),
            ("LightningModule", "test_epoch_end", (2, 6), "on_test_epoch_end", True),
            ("LightningModule", "training_step_end", (2, 6), "training_step", False),
            ("LightningModule", "validation_end", (2, 6), "on_validation_epoch_end", False),
            ("LightningModule", "on_epoch_end", (2, 6), "on_train_epoch_end", False),
            ("LightningModule", "on_epoch_end", (1, 9), "on_train_epoch_end", True),
            ("LightningModule", "tbptt_split_batch", (2, 6), "", False),
            ("Callback", "on_batch_end", (2, 6), "on_train_batch_end", False),
            ("Callback", "on_batch_end", (1, 8), "on_train_batch_end", True),
            ("Callback", "on_keyboard_interrupt", (2, 6), "on_exception", False),
            ("LightningDataModule", "on_save_checkpoint", (2, 6), "state_dict", False),
            ("LightningDataModule", "on_save_checkpoint", (1, 9), "state_dict", True),
        ],
    )
    def test_removed_hooks(
        self, kind: str, name: str, version: lightning.Version, replacement: str, raises: bool
    ) -> None:
        removed = lightning.removed_hook(kind, name, version)
        assert removed is not None
        assert (removed.replacement, removed.raises) == (replacement, raises)

    def test_a_hook_is_not_removed_before_its_time(self) -> None:
        assert lightning.removed_hook("LightningModule", "training_epoch_end", (1, 9)) is None
        assert lightning.hook_exists("LightningModule", "training_epoch_end", (1, 9))
        assert lightning.removed_hook("LightningModule", "training_step") is None
        assert lightning.removed_hook("LightningModule", "my_method") is None

    def test_replacements_are_removed_hooks_and_name_living_ones(self) -> None:
        ever = {
            name for kind in lightning.HOOKED_KINDS for name in lightning._data()["hooks"][kind]
        }
        alive = {name for kind in lightning.HOOKED_KINDS for name in lightning.hooks(kind)}
        assert set(lightning._REPLACEMENTS) <= ever - alive
        assert set(lightning._REPLACEMENTS.values()) <= alive

    def test_parameters_change_with_the_version(self) -> None:
        old = lightning.hooks("LightningModule", (1, 4))["on_train_batch_end"]
        new = lightning.hooks("LightningModule")["on_train_batch_end"]
        assert [one.name for one in old.parameters][-1] == "dataloader_idx"
        assert [one.name for one in new.parameters] == ["outputs", "batch", "batch_idx"]
        assert new.most_positional == 3
        assert lightning.hooks("LightningModule")["training_step"].most_positional is None

    def test_arguments_of_the_trainer_come_and_go(self) -> None:
        assert "gpus" in lightning.argument_names("pytorch_lightning.Trainer", (1, 9))
        assert "gpus" not in lightning.argument_names("pytorch_lightning.Trainer", (2, 0))
        assert "use_distributed_sampler" in lightning.argument_names(lightning.TRAINER)

    def test_defaults_of_early_stopping_changed(self) -> None:
        old = lightning.signature(lightning.EARLY_STOPPING, (1, 2))
        new = lightning.signature(lightning.EARLY_STOPPING)
        assert old is not None and new is not None
        assert old[0] == lightning.Parameter("monitor", "positional", Known("early_stop_on"))
        assert new[0].required

    def test_a_version_to_come_is_taken_for_the_latest(self) -> None:
        assert lightning.hooks("Callback", (9, 9)) == lightning.hooks("Callback")

    def test_spans_of_a_value_that_changes_goes_and_returns(self) -> None:
        values = [((1, 0), "a"), ((1, 1), "a"), ((1, 2), "b"), ((1, 3), None), ((1, 4), "b")]
        assert spans(values) == [
            [[1, 0], [1, 2], "a"],
            [[1, 2], [1, 3], "b"],
            [[1, 4], None, "b"],
        ]


class TestMisspellings:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("on_validation_epoch_ends", "on_validation_epoch_end"),
            ("on_val_epoch_end", "on_validation_epoch_end"),
            ("on_training_epoch_end", "on_train_epoch_end"),
            ("on_epoch_validation_end", "on_validation_epoch_end"),
            ("on_trainstart", "on_train_start"),
            ("on_fit_begin", "on_fit_start"),
            ("traning_step", "training_step"),
            ("validaton_step", "validation_step"),
            ("training_steps", "training_step"),
            ("test_setp", "test_step"),
            ("configure_optimizer", "configure_optimizers"),
            ("train_dataloaders", "train_dataloader"),
            ("prepare_datas", "prepare_data"),
        ],
    )
    def test_slips_are_understood(self, written: str, meant: str) -> None:
        assert lightning.nearest_hook("LightningModule", written) == meant

    @pytest.mark.parametrize(
        "own",
        [
            *("train_step", "val_step", "best_step", "rest_step", "last_step", "valid_step"),
            *("forward", "_training_step", "_shared_step", "on_my_event", "text_dataloader"),
            *("configure_loss", "configure_metrics", "configure_models_and_data", "step"),
            *(
                "training_step",
                "training_epoch_end",
                "optimizers",
                "log",
                "on_gpu",
                "prepare_batch",
            ),
            *("predict", "setup_model", "on_train_metrics_end", "eval_step", "generation_step"),
        ],
    )
    def test_names_of_the_user_are_left_alone(self, own: str) -> None:
        assert lightning.nearest_hook("LightningModule", own) is None

    def test_other_kinds_have_no_hooks(self) -> None:
        assert lightning.nearest_hook("Trainer", "training_steps") is None
        assert lightning.hooks("Trainer") == {}


class TestNames:
    @pytest.mark.parametrize(
        ("dotted", "name", "kind"),
        [
            ("lightning.LightningModule", lightning.MODULE, "LightningModule"),
            ("pytorch_lightning.LightningModule", lightning.MODULE, "LightningModule"),
            (
                "pytorch_lightning.core.lightning.LightningModule",
                lightning.MODULE,
                "LightningModule",
            ),
            ("lightning.pytorch.core.module.LightningModule", lightning.MODULE, "LightningModule"),
            ("pytorch_lightning.callbacks.base.Callback", lightning.CALLBACK, "Callback"),
            ("lightning.pytorch.callbacks.Callback", lightning.CALLBACK, "Callback"),
            (
                "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
                lightning.MODEL_CHECKPOINT,
                "Callback",
            ),
            ("lightning.seed_everything", lightning.SEED_EVERYTHING, "seed_everything"),
            ("lightning.fabric.seed_everything", lightning.SEED_EVERYTHING, "seed_everything"),
            (
                "pytorch_lightning.loggers.TensorBoardLogger",
                "lightning.pytorch.loggers.TensorBoardLogger",
                "Logger",
            ),
            (
                "pytorch_lightning.utilities.cli.LightningCLI",
                "lightning.pytorch.cli.LightningCLI",
                "LightningCLI",
            ),
        ],
    )
    def test_every_spelling_has_one_name(self, dotted: str, name: str, kind: str) -> None:
        assert lightning.canonical(dotted) == name
        assert lightning.kind_of(dotted) == kind

    @pytest.mark.parametrize(
        "dotted",
        [
            "lightning.Fabric",
            "lightning",
            "torch.nn.Module",
            "lightning.pytorch.Nothing",
            "",
            "pl.X",
        ],
    )
    def test_other_names_are_unknown(self, dotted: str) -> None:
        assert lightning.canonical(dotted) is None
        assert lightning.kind_of(dotted) is None


class TestKeys:
    def test_only_checkpoints_may_monitor_what_nobody_logged(self) -> None:
        dotted = "pytorch_lightning.callbacks.ModelCheckpoint"
        assert lightning.free_monitors(dotted) == {"epoch", "step"}
        assert lightning.free_monitors(lightning.EARLY_STOPPING) == frozenset()

    def test_a_log_feeds_the_keys_of_a_real_run(self, tmp_path: Path) -> None:
        callback = _run(tmp_path)
        forked = {"on_step": Known(True), "on_epoch": Known(True)}
        place = Location("model.py", 1)
        sites = [
            LogSite("Logs", "log", Known(key), NO_ORIGIN, hook, stage, place, **forked)
            for key, hook, stage in (
                ("t", "training_step", "train"),
                ("v", "validation_step", "validate"),
            )
        ]
        assert {"t", "t_step", "v/dataloader_idx_1", "v_epoch/dataloader_idx_0"} <= callback
        for key in callback:
            assert [site.key.value for site in sites if site.feeds(key)] == [key[0]], key


def _run(directory: Path) -> set[str]:
    """Keys after one epoch that logs ``t`` in training and ``v`` over two validation loaders."""
    from lightning.pytorch.demos.boring_classes import BoringModel

    class Logs(BoringModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.step(batch)
            self.log("t", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log("v", self.step(batch), on_step=True, on_epoch=True)

        def val_dataloader(self) -> Any:
            return [super().val_dataloader(), super().val_dataloader()]

    trainer = pl.Trainer(
        default_root_dir=directory,
        max_epochs=1,
        limit_train_batches=2,
        limit_val_batches=2,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
    )
    trainer.fit(Logs())
    return set(trainer.callback_metrics)


def test_importing_the_tables_imports_nothing_heavy_and_reads_nothing() -> None:
    program = (
        "import sys, pl_lint.facts.lightning as l, pl_lint.facts.torchmetrics as t\n"
        "heavy = {'torch', 'lightning', 'torchmetrics', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not l._data.cache_info().currsize and not t._data.cache_info().currsize\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_version_is_known_to_need_some_torch() -> None:
    assert tuple(floors.TORCH) == lightning.versions()
    assert list(floors.TORCH.values()) == sorted(floors.TORCH.values())
    needed = [one for one in requires("pytorch_lightning") or () if re.match(r"torch\b", one)]
    installed = tuple(map(int, version("pytorch_lightning").split(".")[:2]))
    least = re.search(r">=\s*(\d+)\.(\d+)", needed[0])
    assert least is not None
    assert floors.TORCH[installed] == (int(least[1]), int(least[2]))
