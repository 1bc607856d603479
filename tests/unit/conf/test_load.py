"""What is configured arrives as plain settings."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cmd.configuration import ApiSettings, Configuration, load, load_again
from vmpath_service.conf.opts import list_opts
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.model.constraints import registry as constraints
from vmpath_service.model.errors import InvalidFile, InvalidInput
from vmpath_service.policies import registry as policies
from vmpath_service.store import SqlStore

Read = Callable[[str], Configuration]


def test_with_nothing_configured_the_defaults_are_those_of_the_settings() -> None:
    found = load(owner="me")
    assert found.files == ()
    assert found.cloud == CloudSettings()
    expected = EngineSettings(owner="me", policies={})
    assert found.engine.executor == expected.executor
    times = ("poll_seconds", "planning_timeout", "stop_seconds", "lease_seconds")
    for field in ("owner", "planners", "max_active", *times):
        assert getattr(found.engine, field) == getattr(expected, field)
    assert found.engine.migration_mbps == expected.migration_mbps
    assert (found.engine.cost.name, found.engine.cost.settings) == ("memory", {})
    assert tuple(rule.name for rule in found.engine.constraints) == constraints.DEFAULT
    assert found.api == ApiSettings("127.0.0.1", 9817, 4, oslo=found.oslo)
    assert found.database.connection == "sqlite:////var/lib/vmpath/vmpath.sqlite"
    assert list(found.engine.policies) == list(policies.OWN)
    for name, section in found.engine.policies.items():
        assert section.driver == name
        assert section.settings["approval"] == "manual"


def test_several_drivers_are_one_policy_with_the_options_of_all(configured: Read) -> None:
    text = "[policy:tidy]\ndriver = heal, drain, balance\ndestinations = pack\ndrain.evict = no\naggressiveness = 3\n"
    section = configured(text).engine.policies["tidy"]
    assert section.driver == "heal, drain, balance"
    settings = section.settings
    assert (settings["destinations"], settings["drain.evict"], settings["heal.evict"]) == ("pack", False, True)
    assert settings["aggressiveness"] == 3


def test_every_option_that_is_set_changes_a_setting(configured: Read, tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.write_text("")
    found = configured(f"""
[DEFAULT]
state_path = {tmp_path}/state
enabled_policies = only
[policy:only]
driver = drain
[database]
connection = sqlite:///$state_path/other.sqlite
busy_seconds = 7.5
max_pool_size = 9
max_retries = 2
retry_interval = 0.5
[api]
bind_host = localhost
bind_port = 1234
threads = 7
auth_strategy = none
[nova]
cloud = mine
clouds_files = /a.yaml, /b.yaml
region_name = north
interface = internal
cafile = {certificates}
connect_timeout = 1
read_timeout = 2
attempts = 3
longest_wait = 5
workers = 6
page_size = 8
rounds = 9
movable_key = a
mode_key = b
cell_key = c
[constraints]
enabled = traits, capacity
[planner]
timeout = 11
processes = 3
migration_mbps = 4000
[executor]
per_source = 3
per_destination = 4
in_total = 5
max_rearrangements = 6
poll_seconds = 1.5
settle_seconds = 7
request_settle_seconds = 8
start_wait_seconds = 9
verify_seconds = 10
stuck_seconds = 12
stop_seconds = 13
lease_seconds = 14
""")
    assert found.state_path == tmp_path / "state"
    assert found.api == ApiSettings("localhost", 1234, 7, oslo=found.oslo)
    database = found.database
    assert (database.busy_seconds, database.pool_size, database.tries, database.pause_seconds) == (7.5, 9, 2, 0.5)
    assert database.connection == f"sqlite:///{tmp_path}/state/other.sqlite"
    assert found.cloud == CloudSettings(
        cloud="mine",
        config_files=("/a.yaml", "/b.yaml"),
        region="north",
        interface="internal",
        cacert=str(certificates),
        connect_timeout_s=1,
        read_timeout_s=2,
        attempts=3,
        longest_wait_s=5,
        workers=6,
        page=8,
        rounds=9,
        movable_key="a",
        mode_key="b",
        cell_key="c",
    )
    assert found.engine.executor == Settings(
        Limits(3, 4, 5),
        settle_seconds=7,
        request_settle_seconds=8,
        start_wait_seconds=9,
        verify_seconds=10,
        stuck_seconds=12,
    )
    engine = found.engine
    assert (engine.planning_timeout, engine.planners, engine.migration_mbps) == (11, 3, 4000)
    assert (engine.max_active, engine.poll_seconds, engine.stop_seconds, engine.lease_seconds) == (6, 1.5, 13, 14)
    assert [rule.name for rule in engine.constraints] == ["traits", "capacity"]
    assert list(engine.policies) == ["only"]


def test_no_option_is_left_that_nothing_reads() -> None:
    """Every option is named in the module that makes settings of values, or read as credentials."""
    from vmpath_service.cmd.configuration import sections, settings
    from vmpath_service.conf import nova

    source = Path(settings.__file__).read_text() + Path(sections.__file__).read_text()
    credentials = {option.dest for option in nova.CREDENTIALS}
    for group, options in list_opts():
        for option in options:
            assert option.dest in credentials or f'"{option.dest}"' in source, f"[{group}] {option.dest}"


def test_what_a_planning_process_gets_can_be_sent_to_it(configured: Read) -> None:
    engine = configured("[policy:nightly]\ndriver = consolidate\nheadroom = VCPU:20%\n").engine
    assert pickle.loads(pickle.dumps(engine.policies)) == engine.policies
    assert [rule.name for rule in pickle.loads(pickle.dumps(engine.constraints))] == list(constraints.DEFAULT)


def test_the_database_opens_as_configured(configured: Read, tmp_path: Path) -> None:
    found = configured(f"[DEFAULT]\nstate_path = {tmp_path}/state\n")
    database = found.database.open()
    database.upgrade()
    assert (tmp_path / "state" / "vmpath.sqlite").is_file()
    assert list(SqlStore(database, time).list()) == []
    database.close()


def test_credentials_may_be_written_down(configured: Read) -> None:
    found = configured("""
[nova]
auth_url = http://127.0.0.1:5000/v3
username = vmpath
password = sekret
user_domain_name = Default
project_name = admin
project_domain_name = Default
region_name = RegionOne
""")
    assert found.cloud.auth == {
        "auth_url": "http://127.0.0.1:5000/v3",
        "username": "vmpath",
        "password": "sekret",
        "user_domain_name": "Default",
        "project_name": "admin",
        "project_domain_name": "Default",
    }
    assert found.cloud.auth_type is None
    assert "sekret" not in repr(found)


def test_another_kind_of_authentication_brings_its_own_options(configured: Read) -> None:
    found = configured("[nova]\nauth_type = v3totp\nauth_url = http://k/v3\nusername = me\npasscode = 123456\n")
    assert found.cloud.auth_type == "v3totp"
    assert found.cloud.auth["passcode"] == "123456"


def test_later_files_overrule_earlier_ones_and_directories_come_last(tmp_path: Path) -> None:
    first, second, directory = tmp_path / "1.conf", tmp_path / "2.conf", tmp_path / "policies.d"
    directory.mkdir()
    first.write_text("[executor]\nin_total = 1\nper_source = 1\n[policy:a]\ndriver = drain\nevict = no\n")
    second.write_text("[executor]\nin_total = 2\n")
    (directory / "z.ini").write_text("[policy:a]\ndestinations = pack\n")
    (directory / "b.conf").write_text("[policy:b]\ndriver = balance\n[policy:a]\ndestinations = spread\n")
    (directory / "README.rst").write_text("no configuration at all")
    found = load([str(first), str(second)], [str(directory)])
    assert found.files == (str(first), str(second), str(directory / "b.conf"), str(directory / "z.ini"))
    assert found.engine.executor.limits == Limits(per_source=1, in_total=2)
    assert found.engine.policies["a"].settings["evict"] is False
    assert found.engine.policies["a"].settings["destinations"] == "pack"
    assert "b" in found.engine.policies


def test_the_usual_places_are_read_when_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc/policies.d").mkdir(parents=True)
    (tmp_path / "etc/vmpath.conf").write_text("[api]\nbind_port = 4321\n")
    (tmp_path / "etc/policies.d/a.ini").write_text("[policy:a]\ndriver = drain\n")
    found = load()
    assert found.api.bind_port == 4321
    assert "a" in found.engine.policies
    (tmp_path / "mine.conf").write_text("")
    assert "a" not in load([str(tmp_path / "mine.conf")]).engine.policies


def test_the_environment_has_no_say(configured: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_API__BIND_PORT", "nonsense")
    assert configured("").api.bind_port == 9817


def test_logging_is_configured_in_the_same_file(configured: Read) -> None:
    assert configured("[DEFAULT]\ndebug = yes\nlog_file = /tmp/x.log\n").oslo.debug is True


def test_a_policy_has_a_driver_and_its_options(configured: Read) -> None:
    found = configured("""
[DEFAULT]
enabled_policies = nightly, drain
[policy:nightly]
driver = consolidate
availability_zones = az1,
    az2
headroom = MEMORY_MB:10%, VCPU:20%
spare_hosts = 1
max_migrations = 200
approval = automatic
[policy:unused]
driver = not-installed-here
""")
    assert list(found.engine.policies) == ["nightly", "drain"]
    nightly = found.engine.policies["nightly"]
    assert nightly.driver == "consolidate"
    given = {
        "headroom": {"MEMORY_MB": 0.1, "VCPU": 0.2},
        "spare_hosts": 1,
        "availability_zones": ("az1", "az2"),
        "max_migrations": 200,
        "approval": "automatic",
    }
    declared = policies.find("consolidate").declared()
    assert nightly.settings == {option.name: option.default for option in declared} | given
    assert found.engine.policies["drain"].driver == "drain"


def test_a_section_named_like_a_driver_needs_no_driver(configured: Read) -> None:
    found = configured("[policy:drain]\nevict = no\n[policy:more]\ndriver = drain\n")
    assert found.engine.policies["drain"].settings["evict"] is False
    assert list(found.engine.policies) == [*policies.OWN, "more"]


def test_a_reload_gives_new_policies_or_raises(tmp_path: Path) -> None:
    path = tmp_path / "vmpath.conf"
    path.write_text("[policy:a]\ndriver = drain\n")
    before = load([str(path)])
    path.write_text("[policy:b]\ndriver = balance\nthreshold = 7\n[executor]\nin_total = 1\n")
    assert load_again(before).engine.policies["b"].settings["threshold"] == 7
    assert "a" not in load_again(before).engine.policies
    path.write_text("[policy:b]\ndriver = balanse\n")
    with pytest.raises(InvalidFile, match="balance"):
        load_again(before)
    path.unlink()
    with pytest.raises(InvalidInput):
        load_again(before)
    assert "a" in before.engine.policies


def test_the_cost_and_its_options(configured: Read) -> None:
    cost = configured(
        "[planner]\ncost = weighted\ncost_option = key=dear\ncost_option = projects=a=2,b=0.5\n"
    ).engine.cost
    assert (cost.name, cost.settings) == ("weighted", {"key": "dear", "projects": ("a=2", "b=0.5")})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cost = memry", "there is no cost 'memry'; did you mean 'memory'?"),
        ("cost_option = key", "[planner] cost_option: found 'key', expected OPTION=VALUE"),
        ("strategy = exakt", "there is no strategy 'exakt'; did you mean 'exact'?"),
        ("cost_option = key=x", "cost memory: there is no option 'key'"),
    ],
)
def test_a_wrong_cost_is_named(configured: Read, text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        configured(f"[planner]\n{text}\n")
    assert words in str(caught.value)
