"""What the runs of isolated.py do, as a module's code would: inside their own processes."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Spec = dict[str, Any]


def import_file(path: str) -> None:
    """Stands in for the importer of case files."""
    code = compile(Path(path).read_text(), path, "exec")
    exec(code, sys.modules.setdefault("case_under_test", type(sys)("case_under_test")).__dict__)


def case() -> Any:
    return sys.modules["case_under_test"]


def note(directory: Path, rank: int, **values: Any) -> None:
    (directory / f"record-{rank}.json").write_text(json.dumps(values))


def call_case(spec: Spec, directory: Path, rank: int) -> None:
    """Record what the case file's ``training_step`` returns."""
    note(directory, rank, value=case().training_step(), pid=os.getpid())


def tell(spec: Spec, directory: Path, rank: int) -> None:
    with Path(spec["log"]).open("a") as file:
        file.write("ran\n")
    time.sleep(spec.get("sleep", 0))
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "WANDB_MODE", "SLURM_JOB_ID", "PYTHONHASHSEED")
    names += ("HYPOTHESIS_STORAGE_DIRECTORY",)
    note(
        directory,
        rank,
        environment={name: os.environ.get(name) for name in names},
        cwd=os.getcwd(),
        group=os.getpgid(0),
        stdin=sys.stdin.read() if sys.stdin else "",
    )
    print("out of", rank)
    print("err of", rank, file=sys.stderr)


def tell_server(spec: Spec, directory: Path, rank: int) -> None:
    """Which process all this is forked from, and for which of pytest's workers."""
    stat = Path(f"/proc/{os.getppid()}/stat").read_text()
    server = int(stat.rpartition(")")[2].split()[1])
    note(directory, rank, server=server, worker=os.environ.get("PYTEST_XDIST_WORKER"))


def segfault(spec: Spec, directory: Path, rank: int) -> None:
    ctypes.string_at(0)


def flood(spec: Spec, directory: Path, rank: int) -> None:
    while True:
        print("x" * 1000)


def print_at_once(spec: Spec, directory: Path, rank: int) -> None:
    sys.stdout.write("x" * spec["bytes"])


def all_reduce(spec: Spec, directory: Path, rank: int) -> None:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    total = torch.tensor([float(rank + 1)])
    dist.all_reduce(total)
    note(directory, rank, total=total.item(), world=dist.get_world_size())
    dist.destroy_process_group()


def one_rank_missing(spec: Spec, directory: Path, rank: int) -> None:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    if rank == 1:
        case().training_step()
    dist.all_reduce(torch.ones(1))


def leave_behind(spec: Spec, directory: Path, rank: int) -> None:
    """Start a process that outlives us, in our session or in its own."""
    code = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=spec["own_session"])
    note(directory, rank, left=child.pid)


def rank_one_fails(spec: Spec, directory: Path, rank: int) -> None:
    if rank == 1:
        raise ValueError("only here")
    time.sleep(600)


def take_port(spec: Spec, directory: Path, rank: int) -> None:
    """Fail the first time as if another program had been quicker."""
    tries = Path(spec["log"])
    with tries.open("a") as file:
        file.write("try\n")
    if len(tries.read_text().splitlines()) == 1:
        raise RuntimeError("The server socket has failed to bind: EADDRINUSE")


def kill_parent(spec: Spec, directory: Path, rank: int) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
