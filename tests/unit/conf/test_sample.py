"""The files of etc/vmpath are what the code says, and they work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmpath_service.cmd.configuration import load, sample
from vmpath_service.conf.opts import list_opts

ROOT = Path(__file__).resolve().parents[3]
ETC = ROOT / "etc" / "vmpath"
GENERATOR = Path(sys.executable).parent / "oslo-config-generator"


def test_the_sample_is_up_to_date(tmp_path: Path) -> None:
    settings = (ETC / "config-generator.conf").read_text()
    written = re.sub(r"^output_file = .*$", f"output_file = {tmp_path}/sample", settings, flags=re.MULTILINE)
    (tmp_path / "generator.conf").write_text(written)
    done = subprocess.run(
        [GENERATOR, "--config-file", str(tmp_path / "generator.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sample").read_text() == (ETC / "vmpath.conf.sample").read_text(), (
        "run oslo-config-generator --config-file etc/vmpath/config-generator.conf"
    )


def test_the_sample_of_rules_is_up_to_date(tmp_path: Path) -> None:
    words = ["--namespace", "vmpath", "--output-file", str(tmp_path / "sample")]
    generator = GENERATOR.with_name("oslopolicy-sample-generator")
    done = subprocess.run([generator, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sample").read_text() == (ETC / "policy.yaml.sample").read_text(), (
        "run oslopolicy-sample-generator --namespace vmpath --output-file etc/vmpath/policy.yaml.sample"
    )


def test_every_option_is_in_the_sample_with_its_section() -> None:
    text = (ETC / "vmpath.conf.sample").read_text()
    sections = dict(re.findall(r"^\[([^]]+)\]\n(.*?)(?=^\[|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    for group, options in [*list_opts(), *sample.list_opts()]:
        for option in options:
            assert re.search(rf"^#{option.dest} =", sections[group], flags=re.MULTILINE), f"[{group}] {option.dest}"


def test_the_sample_says_what_holds_without_it(tmp_path: Path) -> None:
    """All that has a default, with the comment sign taken away, changes nothing."""
    text = (ETC / "vmpath.conf.sample").read_text()
    lines = [
        line[1:] if re.match(r"#[a-z_]+ =", line) and not line.endswith("<None>") else line
        for line in text.splitlines()
    ]
    path = tmp_path / "vmpath.conf"
    path.write_text("\n".join(lines))
    written, nothing = load([str(path)], owner="me"), load(owner="me")
    assert dict(written.engine.policies) == dict(nothing.engine.policies)
    assert written.engine.executor == nothing.engine.executor
    assert (written.api, written.database, written.cloud) == (nothing.api, nothing.database, nothing.cloud)


@pytest.mark.parametrize("path", sorted((ETC / "policies.d").glob("*.sample")), ids=lambda path: path.name)
def test_the_examples_can_be_used_as_they_are(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name.removesuffix(".sample")
    copy.write_text(path.read_text())
    names = re.findall(r"^\[policy:(.+)\]$", path.read_text(), flags=re.MULTILINE)
    assert names
    assert set(names) <= set(load([], [str(tmp_path)]).engine.policies)
