"""What code says of its age: by names that only old versions have, or only new ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from pl_lint.places import SETTINGS


class ReadFile(Protocol):
    """What is asked of a file: Python or settings."""

    @property
    def path(self) -> str: ...

    @property
    def text(self) -> str: ...


OLD = re.compile(
    r"from_argparse_args|add_argparse_args|pytorch_lightning\.metrics|\bpl\.metrics\.|"
    r"self\.hparams\s*=[^=]|\bEvalResult\b|\bTrainResult\b|"
    r"get_progress_bar_dict|LightningLoggerBase|\bgpus\s*=|resume_from_checkpoint\s*=|"
    r"progress_bar_refresh_rate|distributed_backend|checkpoint_callback\s*=\s*(?:True|False|\w+,)|"
    r"weights_summary|pytorch_lightning\.core\.lightning|tpu_cores\s*=|"
    r"\bdef (?:training_step|optimizer_step|toggle_optimizer|on_before_optimizer_step|"
    r"(?:configure|clip|on_before)_\w*|backward)\([^)]*\boptimizer_idx\b"
)
"""What a program can only say to Lightning 1.x or older. A loop variable or a helper of its own may
be called ``optimizer_idx`` as well; hooks got it."""
OLD_WORDS = (
    *("argparse_args", "metrics", "hparams", "optimizer_idx", "EvalResult", "TrainResult"),
    *("progress_bar", "LoggerBase", "gpus", "resume_from_checkpoint", "distributed_backend"),
    *("checkpoint_callback", "weights_summary", "core.lightning", "tpu_cores"),
)
"""One of these stands in each of them."""
OLDER = re.compile(
    r"^\s*from pytorch_lightning import [^\n]*\bdata_loader\b|^\s*@(?:pl\.|ptl\.)?data_loader\b|"
    r"\bLearningRateLogger\b|"
    r"\bTrainer\((?:[^()]|\([^()]*\))*\b(?:early_stop_callback|(?:train|val|test)_percent_check|"
    r"overfit_pct|m(?:ax|in)_nb_epochs|nb_gpu_nodes|nb_sanity_val_steps|row_log_interval|"
    r"log_save_interval|print_nan_grads)\s*=",
    re.MULTILINE,
)
"""What could only be said to Lightning before 1.0."""
LATE = {
    "1.9.0": re.compile(
        r"\btorch\.compile\(|\blightning_fabric\b|precision\s*=\s*[\"']b?f?16-mixed"
    ),
    "1.8.0": re.compile(
        r"\b(?:Accuracy|AUROC|AveragePrecision|CohenKappa|ConfusionMatrix|F1Score|FBetaScore|"
        r"JaccardIndex|MatthewsCorrCoef|Precision|Recall|ROC|Specificity|StatScores)"
        r"\((?:[^()]|\([^()]*\))*\btask\s*=|\bTrainer\((?:[^()]|\([^()]*\))*\binference_mode\s*="
    ),
}
"""What nobody wrote before that version, the newest first: torch 2 is as old as
Lightning 1.9 and 2.0, and torchmetrics learned ``task`` in the month before 1.8."""
LOGS = re.compile(r"\bself\.log(?:_dict)?\(")
NEW = re.compile(
    r"^\s*(?:import|from)\s+lightning(?:\.(?:pytorch|(?P<part>fabric|app|data|store|__\w+))\b|(?![\w.]))",
    re.MULTILINE,
)
"""The package ``lightning`` came with 2.0 (as a shell around the old name, shortly before). What is
none of its parts (``from lightning.system``) stands in a folder of the project that is called so.
"""
OLD_SETTINGS = re.compile(
    r"^\s*(?:gpus|resume_from_checkpoint|progress_bar_refresh_rate|weights_summary|tpu_cores|"
    r"distributed_backend|terminate_on_nan|checkpoint_callback|auto_scale_batch_size)\s*:",
    re.MULTILINE,
)
NEW_SETTINGS = re.compile(r"""(?:_target_|class_path)\s*:\s*["']?lightning\.""")
"""The same of settings in YAML."""
ENVIRONMENT = re.compile(r"^dependencies:\s*\n\s*-\s", re.MULTILINE)


def is_old(source: ReadFile) -> bool:
    if holds_settings(source):
        return OLD_SETTINGS.search(source.text) is not None
    known = any(word in source.text for word in OLD_WORDS)  # a tenth of the time of the pattern
    return known and OLD.search(source.text) is not None


def is_older(source: ReadFile) -> bool:
    return not holds_settings(source) and OLDER.search(source.text) is not None


def floor_of(source: ReadFile) -> str:
    """The version that code is not older than, as far as one says so; empty where none does."""
    if holds_settings(source):
        return ""
    return next((version for version, late in LATE.items() if late.search(source.text)), "")


def logs(source: ReadFile) -> bool:
    """Whether code logs as one can since 0.10."""
    return LOGS.search(source.text) is not None


def is_new(source: ReadFile, is_own: Callable[[str, str], bool]) -> bool:
    """``is_own``: whether a file (by its path) imports such a module from its own project.
    ``from lightning.data import X`` is then as old as the rest."""
    if holds_settings(source):
        return NEW_SETTINGS.search(source.text) is not None
    parts = (match["part"] for match in NEW.finditer(source.text))
    return any(part is None or not is_own(f"lightning/{part}", source.path) for part in parts)


def holds_settings(source: ReadFile) -> bool:
    return source.path.endswith(SETTINGS)


def is_environment(source: ReadFile) -> bool:
    """Whether a YAML file is an environment of conda's, whatever it is called."""
    return holds_settings(source) and ENVIRONMENT.search(source.text) is not None
