"""What does not train as it should, in scripts that run by themselves.

Modes that a hook leaves behind have none: the message names the hook and the modes, and a script
could only print them again; nor have parameters that several optimizers share, whose steps are
told apart by who made them. Nor has a gradient that is not zeroed where a module has several
optimizers, since one network's gradients are then left over from the loss of another on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pl_lint.checks.scripts.parts import head, run, script
from pl_lint.facts.building import Building

Script = Callable[[Building, str], str]
"""Makes a script, of how the case is built and what the finding says."""

_MOVED = '''\
class Look(L.Callback):
    """Which gradient a parameter gets, and what becomes of it."""

    gradient = None

    def on_train_start(self, trainer, module):
        self.before = self.norm(module)

    def on_before_optimizer_step(self, trainer, module, optimizer):
        gradient = dict(module.named_parameters())[{name!r}].grad
        self.gradient = None if gradient is None else gradient.norm().item()

    def on_train_end(self, trainer, module):
        self.after = self.norm(module)

    def norm(self, module):
        return dict(module.named_parameters())[{name!r}].detach().double().norm().item()


look = Look()
run("fit", callbacks=[look])
print(f"gradient of {name} at the last step: {{look.gradient}}")
print(f"norm of {name}: before training {{look.before!r}}, after it {{look.after!r}}")
'''
_UNNAMED = '''\
def tensors(value):
    """All parameters that an attribute holds."""
    if isinstance(value, torch.nn.Module):
        return list(value.parameters())
    if isinstance(value, torch.nn.Parameter):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    return [each for part in inner for each in tensors(part)]


_, module = run("fit")
held = tensors(module.{name})
named = {{id(each) for each in module.parameters()}}
known = sum(id(each) in named for each in held)
print(f"parameters in self.{name}: held {{len(held)}}, named by self.parameters() {{known}}")
'''
_MODE = '''\
class Modes(L.Callback):
    """The mode of a submodule after each batch of training."""

    modes = ()

    def on_train_batch_end(self, trainer, module, *args):
        self.modes += (module.get_submodule({name!r}).training,)


modes = Modes()
run("fit", callbacks=[modes])
count = sum(modes.modes)
print(f"batches of training: all {{len(modes.modes)}}, with {name} in training mode {{count}}")
'''
_STEPS = '''\
class Steps(L.Callback):
    """How many batches there are, and how many steps each optimizer makes."""

    batches = 0

    def on_train_start(self, trainer, module):
        self.steps = [0 for _ in trainer.optimizers]
        for number, optimizer in enumerate(trainer.optimizers):
            optimizer.register_step_post_hook(partial(self.count, number))

    def count(self, number, *args):
        self.steps[number] += 1

    def on_train_batch_end(self, *args):
        self.batches += 1


steps = Steps()
run("fit", callbacks=[steps])
print(f"batches {steps.batches}, steps of an optimizer {max(steps.steps)}")
'''
_LEFT = '''\
class Left(L.Callback):
    """The gradients that are there before a backward pass begins."""

    left = ()

    def on_before_backward(self, trainer, module, loss):
        gradients = [each.grad for each in module.parameters() if each.grad is not None]
        self.left += (sum(each.norm().item() for each in gradients),)


left = Left()
run("fit", callbacks=[left])
print("before each of the first backward passes:", left.left[:4])
print(f"norm of the gradients before a backward pass: first {left.left[0]}, last {left.left[-1]}")
'''
_LOSSES = """\
class Losses(L.Callback):
    losses = ()

    def on_train_batch_end(self, trainer, module, outputs, *args):
        self.losses += (float(outputs["loss"]),)


losses = Losses()
run("fit", callbacks=[losses], max_epochs=20, overfit_batches=1, limit_val_batches=0)
print(f"loss of one batch, 20 steps: first {losses.losses[0]}, last {losses.losses[-1]}")
"""
_LOSSES_BY_HAND = """\
class Losses(L.Callback):
    losses = ()

    def on_before_backward(self, trainer, module, loss):
        self.losses += (float(loss),)


losses = Losses()
run("fit", callbacks=[losses], max_epochs=20, overfit_batches=1, limit_val_batches=0)
print(f"loss of one batch, 20 steps: first {losses.losses[0]}, last {losses.losses[-1]}")
"""
_TWICE = '''\
def twice(loader):
    """Two batches of seven samples, which differ in the first of them only."""
    samples = list(islice(iter(loader.dataset), 8))
    order = [0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6]
    return DataLoader(samples, batch_size=7, sampler=order, collate_fn=loader.collate_fn)


def others(output):
    """What was said of the six samples that both batches have, as one number."""
    tensor = next(each for each in tree_leaves(output) if isinstance(each, torch.Tensor))
    return tensor[1:].detach().double().norm().item()
'''
_MIXED = '''\
class Outputs(L.Callback):
    """What a submodule gives out."""

    def __init__(self):
        self.seen = []

    def on_{hook}_start(self, trainer, module):
        module.get_submodule({by!r}).register_forward_hook(self.note)

    def note(self, module, inputs, output):
        self.seen.append(others(output))


outputs = Outputs()
run({method!r}, callbacks=[outputs])
one, other = outputs.seen[0], outputs.seen[-1]
print(f"norm of the six outputs: beside one sample {{one!r}}, beside another {{other!r}}")
'''
_PREDICTED = """\
trainer, _ = run("predict", limit_predict_batches=2)
one, other = map(others, trainer.predict_loop.predictions)
print(f"norm of the six predictions: beside one sample {one!r}, beside another {other!r}")
"""
_SIZE = '''\
def size(value):
    """How many values it holds."""
    if isinstance(value, dict):
        return sum(map(size, value.values()))
    return len(value)
'''
_GROWS = '''\
class Sizes(L.Callback):
    """How many there are when an epoch begins."""

    sizes = ()

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == 0:{found}
            self.sizes += ({size},)


sizes = Sizes()
run("fit", callbacks=[sizes], num_sanity_val_steps=0)
first, second = sizes.sizes
print(f"values in {name}: before the first epoch {{first}}, before the second {{second}}")
'''
_GRAPHS = '''\
def operations(value):
    """How many operations are kept alive by the graphs of what it holds."""
    tensors = [each for each in tree_leaves(value) if isinstance(each, torch.Tensor)]
    waiting, seen = [each.grad_fn for each in tensors], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [each for each, _ in node.next_functions]
    return len(seen)


class Graphs(L.Callback):
    alive = ()

    def on_train_batch_end(self, trainer, module, *args):{found}
        self.alive += (operations({holder}.{attribute}),)


graphs = Graphs()
run("fit", callbacks=[graphs], max_epochs=1)
second, fifth = graphs.alive[1], graphs.alive[4]
print(f"operations kept by {name}: after two batches {{second}}, after five {{fifth}}")
'''
_CALLS = """\
calls = 0


def count(frame, event, argument):
    global calls
    calls += event == "call" and frame.f_code.co_name == {name!r}


sys.setprofile(count)
run("fit")
sys.setprofile(None)
print(f"calls of {name}: expected at least 1, counted {{calls}}")
"""


def moved(name: str) -> Script:
    """A parameter that gets no gradient, or does not move."""
    return partial(_alone, _MOVED.format(name=name))


def unnamed(name: str) -> Script:
    """Parameters that ``self.parameters()`` does not name."""
    return partial(_alone, _UNNAMED.format(name=name), others=("import torch",))


def in_evaluation(name: str) -> Script:
    """A part that is trained in evaluation mode."""
    return partial(_alone, _MODE.format(name=name))


def steps() -> Script:
    return partial(_alone, _STEPS, standard=("from functools import partial",))


def left_over() -> Script:
    """Gradients that nobody has zeroed."""
    return partial(_alone, _LEFT)


def losses() -> Script:
    """One batch, again and again."""
    return partial(_alone, _LOSSES)


def losses_by_hand() -> Script:
    """The same, where no step returns its loss."""
    return partial(_alone, _LOSSES_BY_HAND)


def mixed(stage: str, by: str, predicted: bool) -> Script:
    """Samples that change with another sample of their batch."""
    return partial(_mixed, stage, by, predicted)


def grows(attribute: str, owner: str = "", axis: int | None = None) -> Script:
    """A list of the module or of a callback, or a tensor along one of its axes."""
    value = f"{'callback' if owner else 'module'}.{attribute}"
    size = f"size({value})" if axis is None else f"{value}.shape[{axis}]"
    found = _found(owner, indent=12)
    main = _GROWS.format(size=size, found=found, name=f"{owner or 'self'}.{attribute}")
    return partial(_alone, main if axis is not None else f"{_SIZE}\n\n{main}")


def graphs(attribute: str, owner: str = "") -> Script:
    others = ("import torch", "from torch.utils._pytree import tree_leaves")
    main = _GRAPHS.format(
        attribute=attribute,
        holder="callback" if owner else "module",
        found=_found(owner, indent=8),
        name=f"{owner or 'self'}.{attribute}",
    )
    return partial(_alone, main, others=others)


def _found(owner: str, indent: int) -> str:
    """The line that looks for a callback of the case; nothing for the module itself."""
    if not owner:
        return ""
    among = f"each for each in trainer.callbacks if type(each).__name__ == {owner!r}"
    return f"\n{' ' * indent}callback = next({among})"


def calls(name: str) -> Script:
    """A method that Lightning does not call."""
    return partial(_alone, _CALLS.format(name=name))


def _alone(
    main: str,
    building: Building,
    said: str,
    standard: tuple[str, ...] = (),
    others: tuple[str, ...] = (),
) -> str:
    return script(head(building, said, standard, others), run(building), main)


def _mixed(stage: str, by: str, predicted: bool, building: Building, said: str) -> str:
    others = (
        "import torch",
        "from torch.utils._pytree import tree_leaves",
        "from torch.utils.data import DataLoader",
    )
    start = head(building, said, ("from itertools import islice",), others)
    method = "predict" if predicted else stage
    hook = {"validate": "validation"}.get(stage, stage)
    main = _PREDICTED if predicted else _MIXED.format(hook=hook, by=by, method=method)
    return script(start, _TWICE, run(building, (method,), cut="twice"), main)
