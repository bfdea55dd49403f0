"""Names and messages as bytes."""

import pytest
from django.utils.translation import gettext_lazy

from ws4redis.core.text import as_bytes, message_bytes

TAKES = 'a parcel takes text'


@pytest.mark.parametrize('value', ['grün', 'grün'.encode(), bytearray('grün'.encode())])
def test_text_becomes_utf8_and_bytes_stay(value: str | bytes | bytearray) -> None:
    assert as_bytes(value) == message_bytes(value, TAKES) == b'gr\xc3\xbcn'
    assert type(as_bytes(value)) is type(message_bytes(value, TAKES)) is bytes


def test_subclass_of_bytes_becomes_plain_bytes() -> None:
    class Message(bytes):
        pass

    assert type(as_bytes(Message(b'hello'))) is bytes


@pytest.mark.parametrize('message', [1, None, ['hello'], {'a': 1}, memoryview(b'hello')])
def test_message_of_another_type_is_refused_with_what_is_taken(message: object) -> None:
    with pytest.raises(TypeError, match=f'message is {type(message).__name__}: {TAKES}'):
        message_bytes(message, TAKES)


def test_lazy_text_is_text() -> None:
    assert message_bytes(gettext_lazy('Yes'), TAKES) == b'Yes'


def test_type_of_text_is_no_text() -> None:
    with pytest.raises(TypeError, match='message is type'):
        message_bytes(str, TAKES)
