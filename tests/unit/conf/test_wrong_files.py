"""What is wrong in a file is one sentence: file, section, option, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmpath_service.cmd.configuration import Configuration, load
from vmpath_service.model.errors import InvalidFile, InvalidInput

Read = Callable[[str], Configuration]

WRONG = {
    "no section": ("bind_port = 1\n", "at line 1: expected a section such as [DEFAULT] first: found 'bind_port'"),
    "no assignment": ("[api]\nhello\n", "at line 2: No ':' or '=' found in assignment: found 'hello'"),
    "section": ("[apis]\n", "at [apis]: there is no such section; did you mean 'api'?"),
    "section by its case": ("[API]\nbind_port = 1\n", "at [API]: there is no such section; "),
    "section of another kind": ("[polcy:a]\n", "at [polcy:a]: there is no such section; did you mean 'policy:NAME'?"),
    "option": ("[api]\nbind_prt = 1\n", "at [api] bind_prt: there is no such option; did you mean 'bind_port'?"),
    "option of DEFAULT": (
        "[DEFAULT]\nenabled_polices = a\n",
        "at [DEFAULT] enabled_polices: there is no such option; did you mean 'enabled_policies'?",
    ),
    "option of oslo.config itself": (
        "[DEFAULT]\nconfig_dir = /x\n",
        "at [DEFAULT] config_dir: there is no such option",
    ),
    "whole number": (
        "[executor]\nin_total = many\n",
        "at [executor] in_total: found 'many', expected a whole number of at least 1",
    ),
    "too small": (
        "[executor]\nin_total = 0\n",
        "at [executor] in_total: found '0', expected a whole number of at least 1",
    ),
    "number": ("[planner]\ntimeout = soon\n", "at [planner] timeout: found 'soon', expected a number of at least 1"),
    "port": (
        "[api]\nbind_port = 65536\n",
        "at [api] bind_port: found '65536', expected a whole number from 0 to 65535",
    ),
    "driver of notifications": (
        "[oslo_messaging_notifications]\ndriver = messagingv3\n",
        "at [oslo_messaging_notifications] driver: there is no driver 'messagingv3'; did you mean 'messagingv2'?",
    ),
    "notifications without a broker": (
        "[oslo_messaging_notifications]\ndriver = messagingv2\n",
        "at [oslo_messaging_notifications] transport_url: is missing; driver = messagingv2 sends to a broker",
    ),
    "address of a broker": (
        "[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = broker:5672\n",
        "at [oslo_messaging_notifications] transport_url: expected an address such as rabbit://",
    ),
    "choice": (
        "[nova]\ninterface = privat\n",
        "at [nova] interface: found 'privat', expected one of public, internal, admin",
    ),
    "authentication": (
        "[api]\nauth_strategy = kerberos\n",
        "at [api] auth_strategy: found 'kerberos', expected one of none, http_basic, keystone",
    ),
    "option of another kind of authentication": (
        "[api]\nauth_strategy = keystone\nhttp_basic_readers = ann\n"
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://k\n",
        "at [api] http_basic_readers: means nothing with auth_strategy = keystone",
    ),
    "tokens without anybody to ask": (
        "[api]\nauth_strategy = keystone\n[keystone_authtoken]\nregion_name = north\n",
        "at [keystone_authtoken] auth_type: is missing; auth_strategy = keystone needs it",
    ),
    "option of tokens": (
        "[keystone_authtoken]\nauth_urll = http://k\n",
        "at [keystone_authtoken] auth_urll: there is no such option",
    ),
    "interpolation": ("[database]\nconnection = sqlite:///$stat_path/x\n", "at [database] connection: found a secret"),
    "logging": ("[DEFAULT]\ndebug = perhaps\n", "at [DEFAULT] debug: found 'perhaps'"),
    "open to the world": (
        "[api]\nbind_host = 0.0.0.0\n",
        "at [api] bind_host: found '0.0.0.0'; without authentication (auth_strategy = none) only a loopback address",
    ),
    "empty state path": ("[DEFAULT]\nstate_path =\n", "at [DEFAULT] state_path: found nothing, expected the path"),
    "certificates": ("[nova]\ncafile = /no/such\n", "at [nova] cafile: found '/no/such', expected a file of cert"),
    "kind of authentication": (
        "[nova]\nauth_type = v3pasword\n",
        "at [nova] auth_type: there is no kind of authentication 'v3pasword'; did you mean 'v3password'?",
    ),
    "cloud and credentials": (
        "[nova]\ncloud = a\nauth_url = http://k\nusername = me\n",
        "expected either credentials or a cloud of clouds.yaml, found both (cloud = a)",
    ),
    "credentials without an address": (
        "[nova]\nusername = me\npassword = sekret\n",
        "at [nova] username: credentials need auth_url",
    ),
    "constraint": (
        "[constraints]\nenabled = capacity, trait\n",
        "at [constraints] enabled: there is no constraint 'trait'; did you mean 'traits'?",
    ),
    "constraint twice": (
        "[constraints]\nenabled = traits, traits\n",
        "at [constraints] enabled: found 'traits' twice",
    ),
    "option of a constraint": (
        "[constraint:traits]\nsoft = yes\n",
        "at [constraint:traits] soft: there is no such option; there are: none",
    ),
    "constraint that is not enabled": (
        "[constraints]\nenabled = capacity\n[constraint:traits]\n",
        "at [constraint:traits]: this constraint is not enabled; there are: capacity",
    ),
    "policy": (
        "[DEFAULT]\nenabled_policies = nightli\n[policy:nightly]\ndriver = drain\n",
        "there is neither a section [policy:nightli] nor a driver 'nightli'; did you mean 'nightly'?",
    ),
    "policy twice": (
        "[DEFAULT]\nenabled_policies = drain, drain\n",
        "at [DEFAULT] enabled_policies: found 'drain' twice",
    ),
    "two policies of one name": (
        "[policy:a]\ndriver = drain\n[policy:a]\ndriver = balance\n",
        "at [policy:a]: found twice in this file; two policies need two names",
    ),
    "policy without a name": ("[policy:]\n", "at [policy:]: there is no such section"),
    "policy with a strange name": (
        "[policy:a b]\ndriver = drain\n",
        "at [policy:a b]: found the name 'a b', expected",
    ),
    "one of several drivers": (
        "[policy:tidy]\ndriver = heal, blance\n",
        "at [policy:tidy] driver: there is no policy 'blance'; did you mean 'balance'?",
    ),
    "option of one of several drivers": (
        "[policy:tidy]\ndriver = heal, drain\nevict = no\n",
        "at [policy:tidy] evict: there is no such option; did you mean ",
    ),
    "window of a policy": (
        "[policy:drain]\nno_go = 8-18 mon\n",
        "at [policy:drain]: option no_go: window '8-18 mon': expected a time such as 08:00-18:00 first",
    ),
    "no driver": (
        "[policy:nightly]\nspare_hosts = 1\n",
        "at [policy:nightly]: option driver is missing; there are: balance, consolidate, drain, gather, heal, ",
    ),
    "driver": (
        "[policy:nightly]\ndriver = consolidat\n",
        "at [policy:nightly] driver: there is no policy 'consolidat'; did you mean 'consolidate'?",
    ),
    "option of a policy": (
        "[policy:nightly]\ndriver = consolidate\nsparehosts = 1\n",
        "at [policy:nightly] sparehosts: there is no such option; did you mean 'spare_hosts'?",
    ),
    "value of a policy": (
        "[policy:nightly]\ndriver = consolidate\nspare_hosts = -1\n",
        "at [policy:nightly]: option spare_hosts: found -1, expected a whole number of at least 0",
    ),
    "guard of a policy": (
        "[policy:drain]\napproval = never\n",
        "at [policy:drain]: option approval: found 'never', expected manual, automatic",
    ),
    "share": (
        "[policy:nightly]\ndriver = consolidate\nheadroom = 10%\n",
        "at [policy:nightly]: option headroom: found '10%', expected resource classes with percentages",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_sentence(configured: Read, tmp_path: Path, case: str) -> None:
    text, sentence = WRONG[case]
    with pytest.raises(InvalidInput) as error:
        configured(text)
    found = str(error.value)
    assert sentence in found
    assert found.startswith(f"{tmp_path}/vmpath.conf at ")
    assert "\n" not in found
    assert "sekret" not in found


def test_the_file_that_is_named_is_the_one_that_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.conf", tmp_path / "bad.ini"
    good.write_text("[policy:a]\ndriver = drain\n[api]\nbind_port = 1\n")
    bad.write_text("[policy:a]\nevict = perhaps\n")
    with pytest.raises(InvalidFile) as error:
        load([str(good), str(bad)])
    assert error.value.file == str(bad)
    bad.write_text("[api]\nbind_port = x\n")
    with pytest.raises(InvalidFile) as error:
        load([str(good), str(bad)])
    assert error.value.file == str(bad)


def test_two_files_with_policies_of_one_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one.ini", tmp_path / "two.ini"
    one.write_text("[policy:a]\ndriver = drain\n")
    two.write_text("[policy:a]\ndriver = balance\n")
    with pytest.raises(InvalidFile) as error:
        load([str(one), str(two)])
    assert error.value.file == str(two)
    assert f"{one} says already that the driver of this policy is 'drain'" in str(error.value)


@pytest.mark.parametrize("name", ["missing.conf", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidFile, match="cannot be read: "):
        load([str(tmp_path / name)])


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read as a directory of files: No such file"):
        load([], [str(tmp_path / "missing")])


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_bytes(b"[api]\nbind_host = \xff\xfe\n")
    with pytest.raises(InvalidFile, match="is not a text in UTF-8"):
        load([str(tmp_path / "x.conf")])
