"""The hook with the real pre-commit on a real repository.

pre-commit builds the hook's environment from a clone of this project, and pip takes what that needs
from the package index. Where there is none, say so with ``PL_LINT_NO_INDEX=1``: without it a
missing index fails these tests, so that nobody takes them for passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import projects
import pytest

ROOT = Path(__file__).parents[2]
NO_INDEX = "PL_LINT_NO_INDEX"
CONFIG = """\
repos:
  - repo: {repo}
    rev: {rev}
    hooks:
      - id: pl-lint
"""

pytestmark = pytest.mark.skipif(
    bool(os.environ.get(NO_INDEX)), reason=f"{NO_INDEX} says that there is no package index"
)


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done


def environment(home: Path) -> dict[str, str]:
    """Git without the settings of the machine, pre-commit with a store of its own."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return {
        **outside,
        "PRE_COMMIT_HOME": str(home / "store"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }


def repository(folder: Path, env: Mapping[str, str]) -> str:
    """Makes a folder a repository with one commit, and names the commit."""
    run("git", "init", "-q", cwd=folder, env=env)
    run("git", "add", "-A", cwd=folder, env=env)
    run("git", "commit", "-q", "--no-verify", "-m", "first", cwd=folder, env=env)
    return run("git", "rev-parse", "HEAD", cwd=folder, env=env).stdout.strip()


def copy_of_project(folder: Path, env: Mapping[str, str]) -> None:
    """What a clone would have after a commit of the working tree, by the rules of the build."""
    listed = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT, env=env
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Path:
    """A user's repository with the hook installed, its environment built."""
    clone = tmp_path_factory.mktemp("pl-lint")
    copy_of_project(clone, env)
    rev = repository(clone, env)
    user = projects.plant(tmp_path_factory.mktemp("user"), util=projects.PLAIN)
    text = CONFIG.format(repo=clone.as_posix(), rev=rev)
    (user / ".pre-commit-config.yaml").write_text(text, encoding="utf-8")
    repository(user, env)
    run(sys.executable, "-m", "pre_commit", "install", cwd=user, env=env)
    built = run(sys.executable, "-m", "pre_commit", "install-hooks", cwd=user, env=env, check=False)
    if built.returncode:
        pytest.fail(
            "pre-commit could not build the hook's environment (without a package index set"
            f" {NO_INDEX}=1):\n{built.stdout}{built.stderr}"
        )
    return user


def commit(project: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Commits everything; then takes the commit, or what was refused, back again."""
    before = run("git", "rev-parse", "HEAD", cwd=project, env=env).stdout.strip()
    run("git", "add", "-A", cwd=project, env=env)
    done = run("git", "commit", "-m", "change", cwd=project, env=env, check=False)
    run("git", "reset", "-q", "--hard", before, cwd=project, env=env)
    return done


def test_a_mistake_is_not_committed(project: Path, env: dict[str, str]) -> None:
    projects.plant(project, model=projects.SICK)
    done = commit(project, env)
    assert done.returncode == 1
    assert f"model.py:{projects.SICK_LINE}:9: LTN101 " in done.stdout + done.stderr


def test_healthy_code_is_committed(project: Path, env: dict[str, str]) -> None:
    projects.plant(project, model=projects.HEALTHY)
    done = commit(project, env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_commit_without_python_is_none_of_our_business(
    project: Path, env: dict[str, str]
) -> None:
    (project / "notes.txt").write_text("notes", encoding="utf-8")
    done = commit(project, env)
    assert done.returncode == 0
    assert "Skipped" in done.stdout + done.stderr


def test_the_base_class_in_a_file_that_did_not_change_is_read(
    project: Path, env: dict[str, str]
) -> None:
    head, hook = projects.SICK.split("    def validation_step")
    projects.plant(project, base=head)
    run("git", "add", "-A", cwd=project, env=env)
    run("git", "commit", "-q", "--no-verify", "-m", "base", cwd=project, env=env)
    child = "from base import LitClassifier\n\n\nclass Child(LitClassifier):\n"
    projects.plant(project, child=f"{child}    def validation_step{hook}")
    done = commit(project, env)
    assert done.returncode == 1
    assert "child.py:8:9: LTN101 " in done.stdout + done.stderr


def test_the_hook_needs_no_torch(project: Path, env: dict[str, str]) -> None:
    store = Path(env["PRE_COMMIT_HOME"])
    installed = {
        path.name.split("-")[0].lower() for path in store.rglob("site-packages/*.dist-info")
    }
    assert "pl_lint" in installed
    assert installed <= {"pl_lint", "pathspec", "pyyaml", "tomli", "pip", "setuptools", "wheel"}
