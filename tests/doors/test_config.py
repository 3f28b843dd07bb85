"""Settings: what they mean, and that no misunderstanding is passed over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.config import KEYS, Config, ConfigError, load
from pl_lint.findings import Finding, Location, Status


@dataclass(frozen=True)
class Rule:
    code: str
    default: bool = True
    preview: bool = False


CODES = ("LTN101", "LTN102", "LTN112", "LTN201", "LTN306")
OPT_IN = "LTN306"
RULES = tuple(Rule(code, code != OPT_IN) for code in CODES)


def chosen(config: Config) -> set[str]:
    return {rule.code for rule in RULES if config.selects(rule)}


def project(folder: Path, table: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(table, encoding="utf-8")
    return file


def from_table(folder: Path, body: str, **overrides: object) -> Config:
    file = project(folder, f"[tool.pl-lint]\n{body}\n")
    return load(known_codes=CODES, file=file, overrides=overrides)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", {"LTN101", "LTN102", "LTN112", "LTN201"}),
        ('select = ["LTN1"]', {"LTN101", "LTN102", "LTN112"}),
        ('select = ["ltn101"]', {"LTN101"}),
        ('select = ["ALL"]', set(CODES)),
        ('extend-select = ["LTN306"]', set(CODES)),
        ('ignore = ["LTN1"]', {"LTN201"}),
        ('ignore = ["ALL"]', set()),
        ('ignore = ["LTN1"]\nextend-select = ["LTN101"]', {"LTN101", "LTN201"}),
        ('select = ["LTN1"]\nignore = ["LTN1"]', set()),
        ('select = ["LTN1"]\nignore = ["LTN10"]', {"LTN112"}),
        ('select = ["ALL"]\nignore = ["LTN101"]', {"LTN102", "LTN112", "LTN201", "LTN306"}),
    ],
)
def test_the_most_specific_selector_decides(tmp_path: Path, body: str, expected: set[str]) -> None:
    assert chosen(from_table(tmp_path, body)) == expected


def test_select_on_the_command_line_drops_the_selection_of_the_file(tmp_path: Path) -> None:
    body = 'select = ["LTN2"]\nignore = ["LTN101"]\nexclude = ["old/"]'
    config = from_table(tmp_path, body, select=["LTN101"])
    assert chosen(config) == {"LTN101"}
    assert config.exclude == ("old/",)


def test_extend_select_on_the_command_line_adds_to_the_file(tmp_path: Path) -> None:
    config = from_table(tmp_path, 'select = ["LTN2"]', **{"extend-select": ["LTN306"]})
    assert chosen(config) == {"LTN201", "LTN306"}


SELECTORS = st.lists(
    st.sampled_from(["ALL", *{code[:n] for code in CODES for n in range(3, 7)}]), max_size=4
)


@given(select=SELECTORS, extend=SELECTORS, ignore=SELECTORS)
def test_selection_laws(select: list[str], extend: list[str], ignore: list[str]) -> None:
    overrides = {"select": select, "extend-select": extend, "ignore": ignore}
    config = load(known_codes=CODES, overrides=overrides)
    unignored = load(known_codes=CODES, overrides={**overrides, "ignore": []})
    assert chosen(config) <= chosen(unignored), "ignoring never adds"
    assert not chosen(config) & set(ignore), "a code that is ignored by its full name is off"
    assert set(extend) & set(CODES) <= chosen(unignored), "a code that is selected in full is on"
    everything = load(known_codes=CODES, overrides={**overrides, "extend-select": [*extend, "ALL"]})
    assert chosen(config) <= chosen(everything), "selecting more never removes"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('selct = ["LTN1"]', "`selct`: no such setting; did you mean 'select'?"),
        ('select = "LTN1"', "`select`: must be a list of strings, not 'LTN1'; write [\"LTN1\"]"),
        ("select = [1]", "`select`: must be a list of strings"),
        ('ignore = ["LTN103"]', "`ignore`: no rule has the code 'LTN103'; did you mean 'LTN10"),
        ('ignore = [""]', "`ignore`: no rule has the code ''"),
        ('fail-on = "certian"', '`fail-on`: must be "certain" or "suspected", not \'certian\''),
        ("fail-on = true", "`fail-on`: must be"),
        ("lightning-version = 2.6", "`lightning-version`: must be a version of Lightning, not 2.6"),
        ('lightning-version = "new"', "`lightning-version`: must be a version of Lightning"),
        ("exclude = {}", "`exclude`: must be a list of strings"),
        ('exclude = ["!"]', "`exclude`: '!' is no pattern"),
        ("select = [", "is not valid TOML"),
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, body: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_table(tmp_path, body)
    assert "pyproject.toml" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["pl_lint", "pllint", "PL-Lint"])
def test_a_misspelled_table_is_an_error(tmp_path: Path, name: str) -> None:
    file = project(tmp_path, f"[tool.{name}]\nselect = ['ALL']\n")
    with pytest.raises(ConfigError, match=r"write \[tool.pl-lint\]"):
        load(known_codes=CODES, file=file)


@given(st.text(max_size=12).filter(lambda key: key not in KEYS))
def test_no_unknown_key_is_accepted(key: str) -> None:
    with pytest.raises(ConfigError, match="no such setting"):
        load(known_codes=CODES, overrides={key: []})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(KEYS)), value=VALUES)
def test_any_value_is_a_setting_or_a_config_error(key: str, value: object) -> None:
    try:
        config = load(known_codes=CODES, overrides={key: value})
    except ConfigError as error:
        assert key in str(error)
    else:
        assert isinstance(config, Config)


def test_every_setting_is_a_field_of_the_configuration() -> None:
    assert {key.replace("-", "_") for key in KEYS} | {"root"} == set(Config.__dataclass_fields__)


def test_codes_are_ignored_in_the_files_that_a_pattern_names(tmp_path: Path) -> None:
    table = {"tests/": ["LTN1"], "*_old.py": ["LTN201"]}
    loaded = load(known_codes=CODES, overrides={"per-file-ignores": table})
    config = replace(loaded, root=tmp_path)

    def hidden(code: str, file: str) -> bool:
        return config.hides(Finding(code, "m", Location(str(tmp_path / file), 1)))

    assert hidden("LTN101", "tests/deep/a.py") and hidden("LTN201", "src/a_old.py")
    assert not hidden("LTN201", "tests/a.py") and not hidden("LTN101", "src/a.py")


@pytest.mark.parametrize("value", [["LTN1"], {"tests/": "LTN1"}, {"tests/": ["LTN9"]}])
def test_per_file_ignores_are_a_table_of_codes(value: object) -> None:
    with pytest.raises(ConfigError, match="per-file-ignores"):
        load(known_codes=CODES, overrides={"per-file-ignores": value})


def test_a_preview_is_off_until_previews_are_on() -> None:
    new = Rule("LTN101", preview=True)
    assert not load(known_codes=CODES, overrides={"select": ["LTN101"]}).selects(new)
    assert load(known_codes=CODES, overrides={"preview": True}).selects(new)


# --- where settings come from ---------------------------------------------------------------------


def test_the_nearest_file_with_a_table_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    project(tmp_path, '[tool.pl-lint]\nselect = ["LTN201"]\n')
    project(inner, "[project]\nname = 'other'\n")
    monkeypatch.chdir(inner)
    config = load([Path("x.py")], known_codes=CODES)
    assert chosen(config) == {"LTN201"}
    assert config.root == tmp_path


def test_the_file_is_looked_for_above_all_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    project(tmp_path, '[tool.pl-lint]\nselect = ["LTN201"]\n')
    project(tmp_path / "a", '[tool.pl-lint]\nselect = ["LTN101"]\n')
    assert chosen(load([tmp_path / "a"], known_codes=CODES)) == {"LTN101"}
    assert chosen(load([tmp_path / "a", tmp_path / "b"], known_codes=CODES)) == {"LTN201"}


def test_a_named_file_must_exist_and_hold_a_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(file=tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="has no"):
        load(file=project(tmp_path, "[tool.black]\n"))


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe[tool.pl-lint]")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load([tmp_path])


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("fail_on", [Status.CERTAIN, Status.SUSPECTED])
def test_what_counts(status: Status, fail_on: Status) -> None:
    finding = Finding("LTN101", "m", Location("a.py", 1), status)
    expected = status is Status.CERTAIN or (status is fail_on is Status.SUSPECTED)
    assert Config(fail_on=fail_on).counts(finding) is expected
