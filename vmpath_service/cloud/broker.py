"""What ``vmpath-service --check`` says of notifications, Nova's and vmpath's own: looks at the brokers, takes nothing
from any queue, and sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vmpath_service.cloud.notifications import NotificationSettings, broker_hosts
from vmpath_service.cloud.rights import Finding, Verdict

_NAME = "notifications"
_SENT = "notifications sent"
_TIMEOUT_S = 5.0
_ADVICE = (
    "in nova.conf of all services: [notifications] notification_format = versioned, versioned_notifications_topics"
    " with {topic}, notify_on_state_change = vm_and_task_state, [oslo_messaging_notifications] driver = messagingv2"
)


def examine(settings: NotificationSettings) -> Iterator[Finding]:
    """Whether the broker lets us in, whether there is a queue of ours, and whether it is ours alone."""
    if settings.url is None:
        yield Finding(_NAME, Verdict.OK, "not listened to: the cloud is only asked, every poll_seconds")
        return
    if not settings.url.startswith("rabbit://"):
        yield Finding(_NAME, Verdict.UNKNOWN, "only a broker at rabbit:// can be looked at", "see what the log says")
        return
    queue = settings.pool or f"{settings.topic}.info"
    found = _at_rabbit(settings.url, lambda channel: _of_queue(settings, channel, queue))
    advice = "see transport_url in [notifications]"
    yield Finding(_NAME, Verdict.MISSING, found, advice) if isinstance(found, str) else found


def examine_sending(url: str | None, topics: Sequence[str]) -> Iterator[Finding]:
    """Whether the broker that vmpath's own notifications go to lets us in, and whether they are read there. ``url``:
    None where they go to no broker."""
    if url is None:
        yield Finding(_SENT, Verdict.OK, "to no broker")
        return
    if not url.startswith("rabbit://"):
        yield Finding(_SENT, Verdict.UNKNOWN, "only a broker at rabbit:// can be looked at", "see what the log says")
        return
    found = _at_rabbit(url, lambda channel: _of_topics(channel, topics))
    advice = "see transport_url in [oslo_messaging_notifications]"
    yield Finding(_SENT, Verdict.MISSING, found, advice) if isinstance(found, str) else found


def _at_rabbit(url: str, look: Callable[[Any], Finding]) -> Finding | str:
    """What is found at the first broker that lets us in, or why none does."""
    import amqp
    from amqp import exceptions

    rest = urlsplit(url)
    secured = parse_qs(rest.query).get("ssl", ["false"])[-1].lower() in ("true", "1", "yes", "on")
    failure = ""
    for part, (host, port) in zip(_brokers(url), broker_hosts(NotificationSettings(url)), strict=True):
        user = urlsplit(f"//{part}")
        connection = amqp.Connection(
            f"{host}:{port}",
            userid=unquote(user.username or ""),
            password=unquote(user.password or ""),
            virtual_host=unquote(rest.path.removeprefix("/")) or "/",
            ssl=secured,
            connect_timeout=_TIMEOUT_S,
            read_timeout=_TIMEOUT_S,
            write_timeout=_TIMEOUT_S,
        )
        try:
            with connection:
                return look(connection.channel())
        except (exceptions.AccessRefused, exceptions.NotAllowed) as error:
            failure = f"{host}:{port} does not let us in: {error.reply_text}"
        except (OSError, exceptions.AMQPError) as error:
            failure = f"{host}:{port} does not answer: {error}"
    return failure


def _brokers(url: str) -> list[str]:
    return [part for part in url.partition("://")[2].partition("/")[0].split(",") if part]


def _of_queue(settings: NotificationSettings, channel: Any, queue: str) -> Finding:
    from amqp import exceptions

    advice = _ADVICE.format(topic=settings.topic)
    try:
        found = channel.queue_declare(queue, passive=True)
    except exceptions.NotFound:
        details = f"there is no queue {queue}: nothing was sent there, and no vmpath-service has listened"
        return Finding(_NAME, Verdict.MISSING, details, advice)
    held = f"queue {queue} with {found.message_count} messages waiting and {found.consumer_count} listening"
    if found.consumer_count > 1:
        return Finding(
            _NAME,
            Verdict.MISSING,
            f"{held}: each misses what another takes",
            "give vmpath a topic of its own, and each of several services a pool of its own",
        )
    if not found.message_count and not found.consumer_count:
        return Finding(_NAME, Verdict.UNKNOWN, f"{held}: Nova may send nothing, or nothing has happened", advice)
    return Finding(_NAME, Verdict.OK, held)


def _of_topics(channel: Any, topics: Sequence[str]) -> Finding:
    from amqp import exceptions

    waiting, listening = 0, 0
    for topic in topics:
        try:
            found = channel.queue_declare(f"{topic}.info", passive=True)
        except exceptions.NotFound:
            details = f"the broker lets us in; there is no queue {topic}.info yet: it is made with the first message"
            return Finding(_SENT, Verdict.OK, details)
        waiting += found.message_count
        listening += found.consumer_count
    where = ", ".join(f"{topic}.info" for topic in topics)
    held = f"the broker lets us in; {waiting} messages wait in {where}, {listening} listening"
    if not listening and waiting:
        return Finding(_SENT, Verdict.UNKNOWN, held, "nobody seems to read them, and the queues grow")
    return Finding(_SENT, Verdict.OK, held)
