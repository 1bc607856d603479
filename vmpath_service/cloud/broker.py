"""What ``vmpath-service --check`` says of notifications: looks at the broker, and takes nothing from any queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vmpath_service.cloud.notifications import NotificationSettings, broker_hosts
from vmpath_service.cloud.rights import Finding, Verdict

_NAME = "notifications"
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
    yield _of_rabbit(settings, settings.url)


def _of_rabbit(settings: NotificationSettings, url: str) -> Finding:
    import amqp
    from amqp import exceptions

    rest = urlsplit(url)
    secured = parse_qs(rest.query).get("ssl", ["false"])[-1].lower() in ("true", "1", "yes", "on")
    failure = ""
    for part, (host, port) in zip(_brokers(url), broker_hosts(settings), strict=True):
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
                return _of_queue(settings, connection.channel(), settings.pool or f"{settings.topic}.info")
        except (exceptions.AccessRefused, exceptions.NotAllowed) as error:
            failure = f"{host}:{port} does not let us in: {error.reply_text}"
        except (OSError, exceptions.AMQPError) as error:
            failure = f"{host}:{port} does not answer: {error}"
    return Finding(_NAME, Verdict.MISSING, failure, "see transport_url in [notifications]")


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
