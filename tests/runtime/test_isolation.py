"""Whatever a user's module does, it is one run with one useful outcome, and nothing is left of it.

Real processes throughout; what they do is in isolation_programs.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from isolated import alive, client, linux, soon, specification

from pl_lint.runtime.failures import WHERE_TO_LOOK, failure_of
from pl_lint.runtime.isolation import process, reaper
from pl_lint.runtime.isolation.client import ServerSettings
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.isolation.request import Request
from pl_lint.runtime.isolation.runs import Limits, Runner

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEALTHY = "def training_step():\n    return 42\n"
LIMITS = Limits(import_seconds=2.0, grace_seconds=0.5)

Run = Callable[..., RunOutcome]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def bare_runner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A server without torch, for what does not depend on it."""
    base = tmp_path_factory.mktemp("runs")
    with Runner(base, project, preload=(), namespaces=(), limits=LIMITS) as runner:
        yield runner


@pytest.fixture(scope="module")
def torch_runner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    base = tmp_path_factory.mktemp("runs")
    with Runner(base, project, preload=("torch",), namespaces=(), limits=LIMITS) as runner:
        yield runner


@pytest.fixture
def run(bare_runner: Runner, project: Path, request: pytest.FixtureRequest) -> Run:
    return runs_of(bare_runner, project, request.node.name)


@pytest.fixture
def run_torch(torch_runner: Runner, project: Path, request: pytest.FixtureRequest) -> Run:
    return runs_of(torch_runner, project, request.node.name)


def runs_of(runner: Runner, project: Path, name: str) -> Run:
    """Run a stand-in program on a case file with this text."""

    def run(case: str = HEALTHY, program: str = "call_case", **more: Any) -> RunOutcome:
        stem = f"{name}{more.pop('file', '')}"
        path = project / f"{stem.replace('[', '_').replace(']', '')}.py"
        path.write_text(textwrap.dedent(case))
        return runner.run(specification(program, name, case_file=str(path), **more))

    return run


def test_a_run_gives_its_record(run: Run) -> None:
    outcome = run()
    assert (outcome.status, outcome.exits) == ("finished", [0])
    assert outcome.records[0]["value"] == 42
    assert outcome.records[0]["pid"] != os.getpid()


def test_a_run_starts_in_the_users_directory_with_quiet_trackers(
    run: Run, project: Path, tmp_path: Path
) -> None:
    outcome = run(program="tell", log=str(tmp_path / "log"))
    [record] = outcome.records
    assert record["cwd"] == str(project.resolve())
    assert record["environment"]["WANDB_MODE"] == "offline"
    assert not record["environment"]["HYPOTHESIS_STORAGE_DIRECTORY"].startswith(record["cwd"])
    assert record["environment"]["RANK"] is None
    assert record["stdin"] == ""
    assert outcome.outputs == ["out of 0\n"]
    assert outcome.errors == ["err of 0\n"]
    assert record["group"] != os.getpgid(0)
    assert not list(project.rglob("__pycache__"))


def test_the_users_own_job_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"SLURM_JOB_ID": "7", "RANK": "3", "HOME": "/home/me"})
    process.set_environment(process.rank_environment(1, 2, 4321))
    assert "SLURM_JOB_ID" not in os.environ
    assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == ("1", "2")
    assert os.environ["HOME"] == "/home/me"


def test_lightning_is_not_loaded_as_a_rank_of_the_users_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``rank_zero_only`` takes its rank while it is imported, in the server."""
    monkeypatch.setattr(os, "environ", {"RANK": "1", "TORCHELASTIC_RUN_ID": "7", "HOME": "/me"})
    found = ServerSettings().environment()
    assert found.keys().isdisjoint({"RANK", "TORCHELASTIC_RUN_ID"})
    assert found["HOME"] == "/me"


def test_ranks_get_the_environment_of_torchrun(run: Run, tmp_path: Path) -> None:
    outcome = run(program="tell", ranks=2, log=str(tmp_path / "log"))
    assert [record["environment"]["RANK"] for record in outcome.records] == ["0", "1"]
    assert {record["environment"]["WORLD_SIZE"] for record in outcome.records} == {"2"}
    assert len({record["group"] for record in outcome.records}) == 1


def test_the_second_call_reads_the_first_ones_outcome(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = run(program="tell", log=str(log))
    assert run(program="tell", log=str(log)) == first
    assert log.read_text() == "ran\n"


def test_a_changed_case_file_is_run_again(run: Run) -> None:
    assert run("def training_step(): return 1").records[0]["value"] == 1
    assert run("def training_step(): return 2").records[0]["value"] == 2


def test_a_specification_is_named_by_what_it_says(tmp_path: Path) -> None:
    case = tmp_path / "case.py"
    case.write_text("")
    one = {"case_file": str(case), "ranks": 1, "note": "a"}
    assert Request.of(one).key() == Request.of(dict(reversed(one.items()))).key()
    assert Request.of(one).key() != Request.of({**one, "note": "b"}).key()


def test_two_processes_that_ask_at_once_run_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spec = specification("tell", "twice", log=str(log), sleep=0.5)
    clients = [client(tmp_path, spec) for _ in range(2)]
    assert [each.wait(20) for each in clients] == [0, 0]
    assert log.read_text() == "ran\n"


def test_a_hang_ends_within_its_limit_with_the_line(run: Run) -> None:
    started = time.monotonic()
    outcome = run(
        """
        import time
        def training_step():
            time.sleep(600)
        """,
        timeout=0.5,
    )
    assert time.monotonic() - started < 5
    assert (outcome.status, outcome.exits) == ("hung", ["SIGKILL"])
    assert ":4 in training_step" in outcome.stacks[0].replace(", line ", ":")
    assert outcome.message == (
        "the module hung: no result after 0.5 s; the main thread was at "
        "test_a_hang_ends_within_its_limit_with_the_line.py:4 in training_step"
    )


@linux
def test_a_hang_in_a_worker_process_names_the_workers_line(run: Run) -> None:
    outcome = run(
        """
        import os, time
        def getitem():
            time.sleep(600)
        def training_step():
            if os.fork() == 0:
                getitem()
            os.wait()
        """,
        timeout=0.5,
    )
    assert outcome.status == "hung"
    assert " in getitem" in outcome.stacks[0]


def test_a_hang_that_ignores_every_signal_is_ended_all_the_same(run: Run) -> None:
    outcome = run(
        """
        import faulthandler, signal, time
        def training_step():
            faulthandler.unregister(signal.SIGUSR1)
            for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(600)
        """,
        timeout=0.3,
    )
    assert outcome.status == "hung"
    assert outcome.message == "the module hung: no result after 0.3 s"


def test_sys_exit(run: Run) -> None:
    outcome = run("import sys\ndef training_step():\n    sys.exit(3)\n")
    assert (outcome.status, outcome.exits) == ("exited", [3])
    assert outcome.message == "training_step called sys.exit(3) at test_sys_exit.py:3"


def test_sys_exit_with_success_is_no_success(run: Run) -> None:
    assert run("import sys\ndef training_step():\n    sys.exit()\n").status == "exited"


@pytest.mark.parametrize("code", [0, 5])
def test_os_exit(run: Run, code: int) -> None:
    outcome = run(f"import os\ndef training_step():\n    os._exit({code})\n")
    assert (outcome.status, outcome.exits) == ("exited", [code])
    assert f"with exit code {code} before the run was done" in outcome.message


def test_a_segfault_names_the_line(run: Run) -> None:
    outcome = run(
        """
        import ctypes
        def training_step():
            ctypes.string_at(0)
        """
    )
    assert (outcome.status, outcome.exits) == ("crashed", ["SIGSEGV"])
    assert "the process died with SIGSEGV" in outcome.message
    assert "_line.py:4 in training_step" in outcome.message


def test_a_kill_from_outside(run: Run) -> None:
    outcome = run("import os\ndef training_step():\n    os.kill(os.getpid(), 9)\n")
    assert outcome.status == "crashed"
    assert outcome.message.startswith("the process died with SIGKILL (out of memory?)")


def test_an_exception_comes_with_its_line(run: Run) -> None:
    outcome = run("def training_step():\n    return {}['gone']\n")
    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.type == "KeyError"
    assert "Traceback (most recent call last)" in outcome.error.traceback
    assert outcome.message == (
        "the module raised KeyError: 'gone' at "
        "test_an_exception_comes_with_its_line.py:2 in training_step"
    )


def test_a_flood_of_output_is_cut_off(run: Run) -> None:
    outcome = run(program="flood")
    assert outcome.status == "flooded"
    assert "printed more than 2 MB" in outcome.message
    assert len(outcome.outputs[0]) <= 4096
    files = Path(outcome.directory).glob("std*")
    assert sum(path.stat().st_size for path in files) <= LIMITS.output_bytes


@pytest.mark.parametrize(("size", "status"), [(1 << 20, "finished"), (3 << 20, "flooded")])
def test_a_flood_that_is_quickly_over_counts(run: Run, size: int, status: str) -> None:
    assert run(program="print_at_once", bytes=size).status == status


def test_an_exception_at_import(run: Run, bare_runner: Runner) -> None:
    outcome = run("import time\nimport no_such_package\n")
    assert (outcome.status, outcome.phase) == ("raised", "import")
    assert "ModuleNotFoundError: No module named 'no_such_package'" in outcome.message
    assert "test_an_exception_at_import.py:2" in outcome.message
    assert str(failure_of(outcome, "fast-dev-run")).endswith(WHERE_TO_LOOK)


def test_a_failed_import_is_not_tried_again(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    case = f"open({str(log)!r}, 'a').write('x')\nraise ValueError('no')\n"
    assert [run(case, number=number).status for number in range(2)] == ["raised"] * 2
    assert log.read_text() == "x"


def test_a_syntax_error_comes_with_its_line(run: Run) -> None:
    outcome = run("x = 1\ny = = 2\n")
    assert "SyntaxError" in outcome.message
    assert "_with_its_line.py:2" in outcome.message


def test_sys_exit_at_import(run: Run) -> None:
    outcome = run("import sys\nsys.exit(4)\n")
    assert (outcome.status, outcome.phase) == ("exited", "import")
    assert outcome.message == (
        "importing test_sys_exit_at_import.py called sys.exit(4) at test_sys_exit_at_import.py:2"
    )


def test_a_hang_at_import(run: Run) -> None:
    outcome = run("import time\ntime.sleep(600)\n")
    assert (outcome.status, outcome.phase) == ("hung", "import")
    assert "importing test_a_hang_at_import.py hung: no result after 2 s" in outcome.message
    assert "test_a_hang_at_import.py:2" in outcome.message


def test_a_segfault_at_import(run: Run) -> None:
    outcome = run("import ctypes\nctypes.string_at(0)\n")
    assert (outcome.status, outcome.phase) == ("crashed", "import")
    assert "SIGSEGV while importing test_a_segfault_at_import.py" in outcome.message


THREADED = """
import threading, time
lock = threading.Lock()
def hold():
    with lock:
        time.sleep(600)
threading.Thread(target=hold, daemon=True).start()
while not lock.locked():
    pass
def training_step():
    return [thread.name for thread in threading.enumerate()]
"""


def test_a_file_that_starts_threads_is_imported_by_the_run_itself(run: Run) -> None:
    """Forked from a process that has imported it, the run would have the lock but not its owner."""
    outcome = run(THREADED)
    assert outcome.status == "finished"
    assert len(outcome.records[0]["value"]) == 2


RANDOM = "import os\nSALT = os.urandom(8).hex()\ndef training_step():\n    return SALT\n"


def test_runs_share_an_import_unless_they_ask_for_their_own(run: Run) -> None:
    shared = {run(RANDOM, number=number).records[0]["value"] for number in range(2)}
    fresh = {
        run(RANDOM, number=number, fresh_import=True).records[0]["value"] for number in range(2)
    }
    assert len(shared) == 1
    assert len(fresh | shared) == 3


def test_a_fresh_import_that_fails_says_so(run: Run) -> None:
    outcome = run("raise ValueError('no')", fresh_import=True)
    assert (outcome.status, outcome.phase) == ("raised", "import")
    assert "ValueError: no" in outcome.message


def test_two_runs_at_the_same_time(run: Run, tmp_path: Path) -> None:
    """Each of them waits for the other one: one after the other, both would hang."""
    meet = """
        import pathlib, time
        def training_step():
            here, there = (pathlib.Path({folder!r}, name) for name in {names!r})
            here.touch()
            while not there.exists():
                time.sleep(0.01)
    """
    texts = [
        textwrap.dedent(meet).format(folder=str(tmp_path), names=names) for names in ("ab", "ba")
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda pair: run(pair[1], file=pair[0]), enumerate(texts)))
    assert [outcome.status for outcome in outcomes] == ["finished"] * 2


def test_those_who_ask_for_one_run_share_it(bare_runner: Runner, tmp_path: Path) -> None:
    case = tmp_path / "case.py"
    case.write_text(
        "import pathlib\n"
        "def training_step():\n"
        f"    with pathlib.Path({str(tmp_path / 'log')!r}).open('a') as log:\n"
        "        log.write('run\\n')\n"
    )
    spec = specification("call_case", "shared", case_file=str(case))
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(bare_runner.run, [spec] * 4))
    assert all(outcome.status == "finished" for outcome in outcomes)
    assert (tmp_path / "log").read_text() == "run\n"


def test_hash_seeds_are_the_servers(run: Run, tmp_path: Path) -> None:
    outcomes = [run(program="tell", log=str(tmp_path / "log"), hash_seed=seed) for seed in "12"]
    seeds = [outcome.records[0]["environment"]["PYTHONHASHSEED"] for outcome in outcomes]
    assert seeds == ["1", "2"]


def test_two_ranks_reduce(run_torch: Run) -> None:
    outcome = run_torch(program="all_reduce", ranks=2)
    assert outcome.status == "finished", outcome.message
    assert outcome.records == [{"total": 3.0, "world": 2}] * 2


def test_a_hang_in_one_rank_shows_both_stacks(run_torch: Run) -> None:
    outcome = run_torch(
        "import time\ndef training_step():\n    time.sleep(600)\n",
        program="one_rank_missing",
        ranks=2,
        timeout=2.0,
    )
    assert outcome.status == "hung"
    assert "all_reduce" in outcome.stacks[0]
    assert "in training_step" in outcome.stacks[1]
    assert "on rank 0 the main thread was at" in outcome.message
    assert " > all_reduce; on rank 1" in outcome.message
    assert "both_stacks.py:3 in training_step (`time.sleep(600)`)" in outcome.message


def test_the_rank_that_failed_is_named_and_the_others_do_not_wait(run: Run) -> None:
    started = time.monotonic()
    outcome = run(program="rank_one_fails", ranks=2, timeout=60.0)
    assert time.monotonic() - started < 10
    assert (outcome.status, outcome.culprit) == ("raised", 1)
    assert "ValueError: only here" in outcome.message
    assert "(rank 1 of 2)" in outcome.message


def test_a_taken_port_is_tried_again(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    outcome = run(program="take_port", log=str(log))
    assert outcome.status == "finished"
    assert len(log.read_text().splitlines()) == 2


@linux
@pytest.mark.parametrize("own_session", [False, True])
def test_nothing_that_a_run_started_outlives_it(run: Run, own_session: bool) -> None:
    outcome = run(program="leave_behind", own_session=own_session)
    assert outcome.status == "finished"
    assert not alive(outcome.records[0]["left"])


def test_a_run_that_kills_its_template_harms_no_other(run: Run) -> None:
    outcome = run(program="kill_parent")
    assert outcome.status == "crashed"
    assert run().status == "finished"


FORK_OFTEN = """
import os, time
end = time.monotonic() + 1.0
while time.monotonic() < end:
    if os.fork() == 0:
        time.sleep(0.001)
        os._exit(0)
    os.wait()
"""


@linux
def test_what_a_neighbour_starts_is_never_taken_for_remains() -> None:
    with subprocess.Popen([sys.executable, "-c", FORK_OFTEN]) as neighbour:
        spared = frozenset(reaper.descendants(os.getpid()))
        assert neighbour.pid in spared
        while neighbour.poll() is None:
            assert reaper.strays(spared) == set()


@linux
def test_closing_leaves_nothing(tmp_path: Path) -> None:
    before = reaper.descendants(os.getpid())
    with Runner(tmp_path, tmp_path, preload=(), namespaces=()) as runner:
        runner.run(specification("leave_behind", "closing", own_session=True))
        ours = reaper.descendants(os.getpid()) - before
        assert ours
    assert not any(alive(pid) for pid in ours)


@linux
def test_a_killed_client_leaves_nothing(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    spec = specification("tell", "killed", log=log, sleep=600, ranks=2, timeout=600.0)
    other = client(tmp_path, spec)
    assert soon(lambda: len(reaper.descendants(other.pid)) >= 4)
    processes = reaper.descendants(other.pid)
    other.kill()
    other.wait()
    assert soon(lambda: not any(alive(pid) for pid in processes))
