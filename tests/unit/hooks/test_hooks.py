"""Hooks: programs and addresses, what they are told, and how they fail."""

from __future__ import annotations

import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vmpath_service.hooks import registry
from vmpath_service.hooks.base import Hook
from vmpath_service.hooks.registry import ConfiguredHooks, HookSection
from vmpath_service.model.errors import HookFailed, InvalidInput
from vmpath_service.model.options import read_options

OCCASION = {"event": "maintenance.ready", "hosts": ["a", "b"], "reason": "disks"}


def make(driver: str, **settings: object) -> Hook:
    kind = registry.find(driver)
    return kind(read_options(kind.declared(), settings, texts=False, where="test"))


@pytest.mark.parametrize("name", registry.available())
def test_every_hook_is_declared(name: str) -> None:
    kind = registry.find(name)
    assert kind.name == name
    assert kind.summary
    assert (kind.__doc__ or "").strip()
    assert all(option.help for option in kind.declared())


def test_a_program_gets_the_occasion(tmp_path: Path) -> None:
    said = tmp_path / "said"
    make("command", command=f"sh -c 'cat > {said}; echo $VMPATH_EVENT $VMPATH_HOSTS >> {said}'").run(OCCASION)
    occasion, _, rest = said.read_text().rpartition("}")
    assert json.loads(occasion + "}") == OCCASION
    assert rest.strip() == "maintenance.ready a b"


def test_no_shell_looks_at_the_words(tmp_path: Path) -> None:
    make("command", command=f"touch '{tmp_path}/a b' '{tmp_path}/$(id)'").run(OCCASION)
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "$(id)"}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("false", "false ended with status 1"),
        ("sh -c 'echo no power >&2; exit 7'", "sh ended with status 7: no power"),
        ("/no/such/program", "/no/such/program cannot be run: No such file or directory"),
    ],
)
def test_a_program_that_fails(command: str, sentence: str) -> None:
    with pytest.raises(HookFailed) as caught:
        make("command", command=command).run(OCCASION)
    assert str(caught.value) == sentence


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    left = tmp_path / "left"
    with pytest.raises(HookFailed, match="has not ended within 1 s"):
        make("command", command=f"sh -c '(sleep 30; touch {left}) & sleep 30'", timeout=1).run(OCCASION)
    assert not left.exists()


@pytest.mark.parametrize("command", ["", "   ", "'open"])
def test_a_command_that_is_none(command: str) -> None:
    with pytest.raises(InvalidInput, match="command"):
        make("command", command=command)


class Listener(http.server.BaseHTTPRequestHandler):
    heard: list[tuple[str | None, Any]]
    status = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.headers["Authorization"], json.loads(body)))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[tuple[str, type[Listener]]]:
    class Mine(Listener):
        heard: list[tuple[str | None, Any]] = []

    server = http.server.HTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/in?key=sekret", Mine
    server.shutdown()
    server.server_close()


def test_an_address_is_told(address: tuple[str, type[Listener]]) -> None:
    url, listener = address
    make("webhook", url=url, token="t").run(OCCASION)
    assert listener.heard == [("Bearer t", OCCASION)]


def test_an_address_that_refuses_or_is_not_there_is_told_without_its_secret(
    address: tuple[str, type[Listener]],
) -> None:
    url, listener = address
    listener.status = 500
    with pytest.raises(HookFailed, match=r"127\.0\.0\.1 answered with status 500"):
        make("webhook", url=url).run(OCCASION)
    with pytest.raises(HookFailed, match=r"127\.0\.0\.1 cannot be reached") as caught:
        make("webhook", url="http://127.0.0.1:9/in?key=sekret").run(OCCASION)
    assert "sekret" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(InvalidInput) as wrong:
        make("webhook", url="ftp://sekret")
    assert "sekret" not in str(wrong.value)


def test_hooks_are_told_of_the_events_that_they_want(address: tuple[str, type[Listener]]) -> None:
    url, listener = address
    hooks = ConfiguredHooks(
        {
            "chat": HookSection("webhook", {"url": url}, ("maintenance.*", "rearrangement.failed")),
            "broken": HookSection("command", {"command": "false"}, ("*",)),
            "work": HookSection("command", {"command": "true"}),
        }
    )
    assert set(hooks.names()) == {"chat", "broken", "work"}
    kinds = ("maintenance.ready", "rearrangement.running", "rearrangement.failed", "maintenance.done")
    for kind in kinds:
        hooks.tell({"event": kind})
    assert hooks.wants("maintenance.ready")
    assert not ConfiguredHooks({"work": HookSection("command", {"command": "true"})}).wants("maintenance.ready")
    assert [body["event"] for _, body in listener.heard] == [kinds[0], kinds[2], kinds[3]]


def test_a_hook_that_is_not_configured() -> None:
    with pytest.raises(HookFailed, match="there is no hook 'x'"):
        ConfiguredHooks({}).run("x", OCCASION)
    with pytest.raises(InvalidInput, match="did you mean 'command'"):
        HookSection("comand").make("x")


def test_no_secret_is_shown_with_the_settings() -> None:
    section = HookSection("webhook", {"url": "http://x/?key=sekret", "token": "sekret"})
    assert "sekret" not in repr(section)
    assert pickle.loads(pickle.dumps(section)) == section
