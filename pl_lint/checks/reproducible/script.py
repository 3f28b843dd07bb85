"""Two runs that should be equal, in a script that runs by itself."""

from __future__ import annotations

from pl_lint.checks.scripts.parts import MODEL, SEED, head, run, script
from pl_lint.facts.building import Building

_NOTES = '''\
class Notes(L.Callback):
    """What the weights become, step by step, in one number each{also}."""

    def __init__(self):
        self.seen = {{}}

    def note(self, trainer, module, when):
{key}        for name, tensor in {tensors}:
            norm = tensor.detach().double().norm().item()
            self.seen[f"norm of {{name}} {{when}}"] = repr(norm)

    def on_train_start(self, trainer, module):
        self.note(trainer, module, "before the first step")

    def on_train_batch_end(self, trainer, module, *args):
        self.note(trainer, module, f"after step {{trainer.global_step}}")

    def on_train_end(self, trainer, module):
        self.note(trainer, module, "at the end")
'''
_WEIGHTS = "module.named_parameters()"
_ALL = "[*module.named_parameters(), *module.named_buffers()]"
_KEY = """\
        logged = trainer.callback_metrics.get({key!r}, float("nan"))
        self.seen[f"{key} {{when}}"] = repr(float(logged))
"""
_FIT = '''\
def fit():
    """A seeded fit: what was noted of it."""
    notes = Notes()
    run("fit", callbacks=[notes])
    return notes.seen
'''
_ELSEWHERE = '''\
def fit_elsewhere(hash_seed):
    """The same in a process of its own."""
    file = tempfile.mkstemp()[1]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, __file__, file], env=environment, check=True)
    return json.loads(Path(file).read_text())
'''
_COMPARED = """\
    changed = [name for name in one if one[name] != other.get(name)]
    name = changed[0] if changed else list(one)[-1]
    print(f"{name}: first run {one[name]}, second run {other.get(name)}")
"""
_TWO_PROCESSES = """\
if __name__ == "__main__" and len(sys.argv) > 1:
    Path(sys.argv[1]).write_text(json.dumps(fit()))
elif __name__ == "__main__":
    one, other = {first}, fit_elsewhere("2")
"""
_ONE_PROCESS = """\
if __name__ == "__main__":
    one, other = fit(), fit()
"""
_DRAWS = """\
def draws(own, workers):
    \"\"\"What is drawn for one sample in two epochs of eight.\"\"\"
    asked = {} if isinstance(own.dataset, IterableDataset) else {"sampler": [0] * 8}
    loader = DataLoader(
        own.dataset,
        num_workers=workers,
        collate_fn=own.collate_fn,
        worker_init_fn=own.worker_init_fn,
        **asked,
    )
    return {repr(batch) for epoch in range(2) for batch in islice(loader, 8)}


if __name__ == "__main__":
    trainer, _ = run("fit", max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    torch.set_printoptions(profile="full", precision=8)
    alone, shared = (len(draws(trainer.train_dataloader, workers)) for workers in (0, 2))
    print(f"one sample, 16 draws: different ones in one process {alone}, in two workers {shared}")
"""
_VALIDATED = """\
if __name__ == "__main__":
    _, module = run("fit")
    one, _ = run("validate", model=module)
    other, _ = run("validate", model=module, seed=2)
    for name, value in one.callback_metrics.items():
        again = other.callback_metrics[name]
        print(f"{name}: with seed 1 {float(value)!r}, with seed 2 {float(again)!r}")
"""


def script_of(code: str, building: Building | None, said: str, key: str) -> str:
    """The script for a finding with this code; ``key`` is the logged key that differs first, if it
    is one."""
    if building is None:
        return ""
    if code == "LTN405":
        data = ("import torch", "from torch.utils.data import DataLoader, IterableDataset")
        imports = ("from itertools import islice",)
        return script(head(building, said, imports, data), run(building), _DRAWS)
    if code == "LTN804":
        methods, options = ("fit", "validate"), (MODEL, SEED)
        return script(head(building, said), run(building, methods, options), _VALIDATED)
    alone = code == "LTN409"
    first = 'fit_elsewhere("1")' if code == "LTN411" else "fit()"
    imports = ("import json", "import os", "import subprocess", "from pathlib import Path")
    return script(
        head(building, said, () if alone else imports),
        _notes(key),
        run(building),
        _FIT,
        "" if alone else _ELSEWHERE,
        (_ONE_PROCESS if alone else _TWO_PROCESSES.format(first=first)) + _COMPARED,
    )


def _notes(key: str) -> str:
    """Where nothing is known to be logged otherwise, it may be a buffer."""
    if not key:
        return _NOTES.format(also=", and the buffers", key="", tensors=_ALL)
    also = f", and what is logged as {key}"
    return _NOTES.format(also=also, key=_KEY.format(key=key), tensors=_WEIGHTS)
