"""Faults that somebody might make one day, for the contract, between publisher and Redis."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, cast

from tests.faults.registry import mutation, replace

# Publishing and persisting


Command = tuple[Any, ...]


def change_commands(change: Callable[[list[Command]], list[Command]]) -> None:
    """Let other commands go to Redis than those with which a message is published on its
    channels.
    """
    from ws4redis import publishing

    execute = publishing._execute

    class Recording:
        def __init__(self, connection: Any) -> None:
            self.connection_pool = connection.connection_pool
            self._pipeline = connection.pipeline(transaction=False)
            self._commands: list[Command] = []

        def pipeline(self, transaction: bool) -> Any:
            return self

        def execute_command(self, *command: Any) -> None:
            self._commands.append(command)

        def execute(self, raise_on_error: bool) -> Any:
            for command in change(self._commands):
                self._pipeline.execute_command(*command)
            return self._pipeline.execute(raise_on_error=raise_on_error)

    def execute_others(connection: Any, *arguments: Any) -> None:
        execute(cast(Any, Recording(connection)), *arguments)

    replace(publishing, _execute=execute_others)


@mutation('persists-for-ever')
def persist_without_a_time_to_live() -> None:
    """SET without PX."""
    change_commands(
        lambda commands: [command[:3] if command[0] == 'SET' else command for command in commands]
    )


@mutation('takes-seconds-for-milliseconds')
def expire_in_milliseconds() -> None:
    """A message that should be kept for 600 s is kept for 600 ms."""
    change_commands(
        lambda commands: [
            (*command[:4], max(1, command[4] // 1000)) if command[0] == 'SET' else command
            for command in commands
        ]
    )


@mutation('keeps-the-first-message')
def persisted_message_is_not_overwritten() -> None:
    """SET with NX."""
    change_commands(
        lambda commands: [
            (*command, 'NX') if command[0] == 'SET' else command for command in commands
        ]
    )


@mutation('deletes-instead-of-leaving')
def publishing_without_expiry_deletes() -> None:
    """What is published with expire=0 takes the persisted message away."""

    def change(commands: list[Command]) -> list[Command]:
        stored = any(command[0] == 'SET' for command in commands)
        return commands if stored else [('DEL', *(command[1] for command in commands)), *commands]

    change_commands(change)


@mutation('stores-on-the-first-channel')
def store_on_one_channel() -> None:
    """Of several audiences only the first has the message stored."""

    def change(commands: list[Command]) -> list[Command]:
        first = next((command[1] for command in commands if command[0] == 'SET'), None)
        return [command for command in commands if command[0] != 'SET' or command[1] == first]

    change_commands(change)


@mutation('publishes-to-the-first-channel')
def publish_to_one_channel() -> None:
    """Of several audiences only the first gets the message."""
    change_commands(lambda commands: commands[: 4 if commands[0][0] == 'MULTI' else 1])


@mutation('forgets-the-prefix')
def names_without_prefix() -> None:
    """WS4REDIS_PREFIX is not looked at."""
    from ws4redis.redis_store import RedisStore

    replace(RedisStore, get_prefix=staticmethod(lambda: ''))


@mutation('ignores-the-default-expiry')
def expire_is_always_an_hour() -> None:
    """WS4REDIS_EXPIRE is not looked at."""
    from ws4redis.redis_store import RedisStore

    replace(RedisStore, _expire=3600)


@mutation('swallows-connection-errors')
def publishing_never_fails() -> None:
    """Nobody learns that Redis is away."""
    import redis

    from ws4redis import publishing

    execute = publishing._execute

    def execute_or_not(*arguments: Any) -> None:
        with contextlib.suppress(redis.ConnectionError):
            execute(*arguments)

    replace(publishing, _execute=execute_or_not)


# Names


def change_names(change: Callable[[str, str], str]) -> None:
    """Let a name in a channel be another."""
    from ws4redis import redis_store
    from ws4redis.core.channel import channel_names

    def other_channel_names(
        prefix: str, facility: str, *, broadcast: bool, **names: Iterable[str]
    ) -> list[str]:
        others = {kind: [change(kind, name) for name in entries] for kind, entries in names.items()}
        return channel_names(prefix, change('facility', facility), broadcast=broadcast, **others)

    replace(redis_store, channel_names=other_channel_names)


@mutation('delivers-to-another-group')
def groups_by_their_first_letters() -> None:
    """Groups whose names begin alike are one."""
    change_names(lambda kind, name: name[:5] if kind == 'group' else name)


@mutation('delivers-to-another-user')
def users_are_all_the_same() -> None:
    """All users are one."""
    change_names(lambda kind, name: 'john' if kind == 'user' else name)


@mutation('delivers-to-another-facility')
def facilities_up_to_the_slash() -> None:
    """What follows a slash in a facility does not count."""
    change_names(lambda kind, name: name.partition('/')[0] if kind == 'facility' else name)


@mutation('takes-the-first-group-alone')
def one_group_of_several() -> None:
    """SELF is the first group of the session."""
    from ws4redis import identity

    own_names = identity.own_names

    def own_first_names(kind: str, request: Any) -> list[str]:
        return own_names(kind, request)[:1]

    replace(identity, own_names=own_first_names)
