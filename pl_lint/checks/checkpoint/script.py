"""What a checkpoint does not bring back, in scripts that run by themselves.

A fit that is interrupted inside an epoch has no script: Lightning does not keep the place in a
DataLoader, so that a plain script would read other data after it, whatever the module saves. In the
check's own run pl-lint keeps it. What the callbacks of a case make of scores has none either: the
scores are planted by pl-lint, and the key, the mode or the file name in the message is the mistake.
"""

from __future__ import annotations

import re

from pl_lint.checks.scripts.parts import CHECKPOINT, MODEL, head, run, script
from pl_lint.facts.building import Building

_SAVED = """\
    trainer, module = run("fit")
    file = tempfile.mkdtemp() + "/saved.ckpt"
    trainer.save_checkpoint(file)
"""
_ARGUMENT = '''\
def noted(init, given):
    """An __init__ that leaves a note of one argument."""

    @functools.wraps(init)
    def noted_init(self, *args, **kwargs):
        arguments = inspect.signature(init).bind(self, *args, **kwargs)
        arguments.apply_defaults()
        given.append(repr(arguments.arguments.get({name!r})))
        init(self, *args, **kwargs)

    return noted_init


if __name__ == "__main__":
{saved}    kind, given = type(module), []
    kind.__init__ = noted(kind.__init__, given)
    {case}()
    kind.load_from_checkpoint(file)
    print(f"{name}: built with {{given[0]}}, loaded with {{given[-1]}}")
'''
_LOAD = """\
if __name__ == "__main__":
{saved}    try:
        loaded = type(module).load_from_checkpoint(file)
    except Exception as error:
        print(error)
        loaded = error
    print(f"saved a {{type(module).__name__}}, loaded a {{type(loaded).__name__}}")
"""
_VALUE = """\
if __name__ == "__main__":
{saved}    trained, _ = run("{stage}", model=module)
    loaded, _ = run("{stage}", model=type(module).load_from_checkpoint(file))
    one, other = trained.callback_metrics[{name!r}], loaded.callback_metrics[{name!r}]
    print(f"{name}: before it was saved {{float(one)!r}}, loaded {{float(other)!r}}")
"""
_PREDICTED = '''\
def total(predictions):
    """One number for all that was predicted."""
    tensors = [each for each in tree_leaves(predictions) if isinstance(each, torch.Tensor)]
    return sum(each.double().sum().item() for each in tensors)


if __name__ == "__main__":
{saved}    trained, _ = run("predict", model=module)
    loaded, _ = run("predict", model=type(module).load_from_checkpoint(file))
    one, other = (total(each.predict_loop.predictions) for each in (trained, loaded))
    print(f"sum of the predictions: before it was saved {{one!r}}, loaded {{other!r}}")
'''
_RESUMED = '''\
class Interrupted(L.Callback):
    """Saves the fit after its first epoch, and looks at it in the second one. Each epoch is seeded,
    so that an interruption changes nothing by chance."""

    def __init__(self):
        folder = tempfile.mkdtemp()
        self.saves = L.callbacks.ModelCheckpoint(
            folder, filename="{{epoch}}", save_top_k=-1, save_on_train_epoch_end=True
        )
        self.file = folder + "/epoch=0.ckpt"

    def on_train_epoch_start(self, trainer, module):
        L.seed_everything(trainer.current_epoch, verbose=False)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 0:
            self.seen = shown({expression})


def shown(value):
    return value.double().norm().item() if isinstance(value, torch.Tensor) else value


def weights(module):
    return torch.cat([each.detach().flatten() for each in module.parameters()])


if __name__ == "__main__":
    whole, resumed = Interrupted(), Interrupted()
    settings = {{"num_sanity_val_steps": 0}}
    _, one = run("fit", callbacks=[whole, whole.saves], **settings)
    _, other = run("fit", ckpt_path=whole.file, callbacks=[resumed], **settings)
    print(f"norm of the weights at the end: uninterrupted {{shown(weights(one))!r}}, "
          f"resumed {{shown(weights(other))!r}}")
    print(f"{name} in the second epoch: uninterrupted {{whole.seen!r}}, resumed {{resumed.seen!r}}")
'''


def argument_lost(building: Building | None, said: str, name: str) -> str:
    """An argument of ``__init__`` that comes back as another value."""
    if building is None or not name.isidentifier():
        return ""
    main = _ARGUMENT.format(name=name, case=building.case, saved=_SAVED)
    imports = ("import functools", "import inspect")
    return script(head(building, said, imports), run(building), main)


def load_fails(building: Building | None, said: str) -> str:
    if building is None:
        return ""
    return script(head(building, said), run(building), _LOAD.format(saved=_SAVED))


def other_output(building: Building | None, said: str, stage: str, name: str) -> str:
    """A prediction or a logged value that is another one after loading."""
    if building is None:
        return ""
    methods = ("fit", stage)
    if stage == "predict":
        others = ("import torch", "from torch.utils._pytree import tree_leaves")
        start = head(building, said, others=others)
        return script(start, run(building, methods, (MODEL,)), _PREDICTED.format(saved=_SAVED))
    main = _VALUE.format(saved=_SAVED, stage=stage, name=name)
    return script(head(building, said), run(building, methods, (MODEL,)), main)


def resumed(building: Building | None, said: str, lost: str = "") -> str:
    """A state that a resumed fit does not have, or the weights it ends with."""
    if building is None:
        return ""
    expression = _expression(lost)
    name = lost if expression else "norm of the weights"
    main = _RESUMED.format(expression=expression or "weights(module)", name=name)
    start = head(building, said, others=("import torch",))
    return script(start, run(building, options=(CHECKPOINT,)), main)


def _expression(name: str) -> str:
    """How a script reads what the check calls by this name; nothing for what has no plain value."""
    if re.fullmatch(r"self(\.[A-Za-z_]\w*)+", name):
        return f"module.{name.removeprefix('self.')}"
    if found := re.match(r"buffer (\S+)", name):
        return f"dict(module.named_buffers())[{found[1]!r}]"
    if found := re.fullmatch(r"callback (\w+)\.(\w+)", name):
        named = f"each for each in trainer.callbacks if type(each).__name__ == {found[1]!r}"
        return f"next({named}).{found[2]}"
    if found := re.match(r"optimizer (\d+) .*: lr of group (\d+)", name):
        return f'trainer.optimizers[{found[1]}].param_groups[{found[2]}]["lr"]'
    return ""
