"""What a subscriber says by itself, as it goes out."""

import pytest

from ws4redis.core.entries import Persisted, Sent
from ws4redis.core.frames import message_frame


@pytest.mark.parametrize('binary', [None, False, True])
def test_message_goes_out_as_its_subscriber_says(binary: bool | None) -> None:
    assert Sent(b'hello', binary).as_frame() == message_frame(b'hello', binary)


@pytest.mark.parametrize('payload', [b'hello', b'\xff'])
def test_persisted_message_goes_out_by_its_content(payload: bytes) -> None:
    assert Persisted(b'broadcast:news', payload).as_frame() == message_frame(payload)
