"""What ``vmpath policy apply`` says of a decision."""

import json
import pathlib

from tests.clouds import cloud
from vmpath_service.model import files


def snapshot_file(folder: pathlib.Path) -> str:
    path = str(folder / "s.json")
    files.save(cloud({"a": 100, "b": 100, "c": 100}, {f"x{number}": ("a", 10) for number in range(6)}), path)
    return path


def test_why_and_how_much_each_migration_buys(vmpath, tmp_path):
    path, curve = snapshot_file(tmp_path), tmp_path / "curve.json"
    shown = vmpath("policy", "apply", "balance", "--snapshot", path, "--curve", str(curve))
    assert shown.status == 0, shown.err
    assert "a is filled to 60% MEMORY_MB, b to 0% MEMORY_MB" in shown.out
    assert "on the way: " in shown.err
    points = json.loads(curve.read_text())
    assert [point["migrations"] for point in points] == list(range(5))
    assert points[0]["score"] > points[-1]["score"] == 0
    assert points[-1]["memory_mb"] == 40


def test_a_curve_that_cannot_be_written(vmpath, tmp_path):
    folder = tmp_path / "missing" / "curve.json"
    shown = vmpath("policy", "apply", "balance", "--snapshot", snapshot_file(tmp_path), "--curve", str(folder))
    assert shown.status == 2
    assert f"{folder}: cannot be written" in shown.err


def test_several_drivers_and_guards(vmpath, tmp_path):
    words = ("policy", "apply", "heal, balance", "--snapshot", snapshot_file(tmp_path), "-f", "json")
    every = json.loads(vmpath(*words).out)["placement"]
    fewer = vmpath(*words, "--set", "max_memory=20")
    assert len(every) == 4
    assert len(json.loads(fewer.out)["placement"]) == 2
    assert "left out: max_memory = 20 is used up" in fewer.err
