"""What is advised against lost state fits what was lost."""

from __future__ import annotations

import pytest

from pl_lint.checks.checkpoint.wording import remedy_for


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("self.steps", "on_save_checkpoint"),
        ("layers in self.heads", "nn.ModuleList"),
        ("buffer cutoff (persistent=False)", "without persistent=False"),
        ("optimizer 0 (LookingAhead): attribute slow", "param_groups"),
        ("scheduler 0 (Own): attribute best", "scheduler's state_dict"),
        ("callback Average.kept", "give the callback a state_dict"),
    ],
)
def test_each_loss_has_its_remedy(lost: str, words: str) -> None:
    remedy = remedy_for([lost])
    assert words in remedy
    assert ";" not in remedy


def test_several_losses_have_several() -> None:
    remedy = remedy_for(["self.steps", "layers in self.heads"])
    assert "nn.ModuleList" in remedy
    assert "on_save_checkpoint" in remedy
