"""What is a heartbeat, and what is a message."""

import pytest

from ws4redis.core.heartbeat import is_heartbeat, without_heartbeats

BEAT = b'--heartbeat--'


@pytest.mark.parametrize(
    ('payload', 'heartbeat', 'binary', 'expected'),
    [
        (BEAT, BEAT, False, True),
        (BEAT, BEAT, True, False),
        (BEAT, None, False, False),
        (b'', None, False, False),
        (BEAT + b' ', BEAT, False, False),
        (b'hello', BEAT, False, False),
    ],
)
def test_heartbeat_is_the_text_that_the_setting_names(
    payload: bytes, heartbeat: bytes | None, binary: bool, expected: bool
) -> None:
    assert is_heartbeat(payload, heartbeat, binary=binary) is expected


def test_heartbeats_are_left_out_and_messages_keep_their_order() -> None:
    assert without_heartbeats([b'1', BEAT, b'2', BEAT], BEAT) == [b'1', b'2']


@pytest.mark.parametrize('heartbeat', [None, BEAT])
def test_without_a_heartbeat_among_them_all_are_messages(heartbeat: bytes | None) -> None:
    payloads = [b'1', b'2']
    assert without_heartbeats(payloads, heartbeat) is payloads
