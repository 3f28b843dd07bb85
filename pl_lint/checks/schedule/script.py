"""The learning rate's trace, in a script that runs by itself."""

from __future__ import annotations

from pl_lint.checks.scripts.parts import head, run, script
from pl_lint.facts.building import Building

_STEPS = '''\
class Trace(L.Callback):
    """The learning rate of each batch, and how often the scheduler is stepped."""

    rates = ()
    steps = 0

    def on_train_start(self, trainer, module):
        scheduler = trainer.lr_scheduler_configs[{index}].scheduler
        self.step, scheduler.step = scheduler.step, self.counted

    def counted(self, *args, **kwargs):
        self.steps += 1
        self.step(*args, **kwargs)

    def on_train_batch_start(self, trainer, *args):
        self.rates += (trainer.optimizers[0].param_groups[0]["lr"],)


trace = Trace()
run("fit", callbacks=[trace])
print("learning rate:", " ".join(f"{{rate:.3g}}" for rate in trace.rates))
print(f"steps of {name}: expected {expected}, made {{trace.steps}}")
'''
_RATES = '''\
class Trace(L.Callback):
    """The learning rate of each batch."""

    rates = ()

    def on_train_batch_start(self, trainer, *args):
        self.rates += (trainer.optimizers[0].param_groups[0]["lr"],)


trace = Trace()
run("fit", callbacks=[trace])
print("learning rate:", " ".join(f"{rate:.3g}" for rate in trace.rates))
print(f"learning rate: at the start {trace.rates[0]!r}, at the end {trace.rates[-1]!r}")
'''


def steps(building: Building | None, said: str, index: int, name: str, expected: int | str) -> str:
    """How often a scheduler is stepped, beside how often it should be."""
    if building is None:
        return ""
    main = _STEPS.format(index=index, name=name, expected=expected)
    return script(head(building, said), run(building), main)


def rates(building: Building | None, said: str) -> str:
    """A learning rate that a scheduler should change."""
    return script(head(building, said), run(building), _RATES) if building else ""
