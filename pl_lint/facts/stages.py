"""The parts of a run."""

from __future__ import annotations

from typing import Literal

Stage = Literal["train", "validate", "test", "predict"]
