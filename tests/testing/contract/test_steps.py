"""The steps that cases are made of do what their names say, and fail where they did not."""

import pytest
from websockets.frames import Opcode

from ws4redis.publisher import RedisPublisher
from ws4redis.testing import Broker, HandshakeRejected
from ws4redis.testing.contract.steps import (
    away,
    channel,
    elsewhere,
    frame,
    hear,
    listeners,
    logged_in,
    refusal,
    somebody,
    talk,
    tell,
    text,
    unlikely,
)


def test_who_listens_hears_who_talks_and_what_is_told(ws4redis: Broker) -> None:
    listener, talker = hear(ws4redis), talk(ws4redis)
    talker.send('said')
    tell(ws4redis, 'told')
    assert listener.receive_all() == ['said', 'told']


def test_refusal_fails_where_there_was_none(ws4redis: Broker) -> None:
    found = refusal(ws4redis, 'news', origin='https://evil.example')
    assert isinstance(found, HandshakeRejected) and found.status_code == 403
    with pytest.raises(AssertionError, match='was not refused'):
        refusal(ws4redis, 'news')


def test_who_publishes_elsewhere_meets_no_outage(ws4redis: Broker) -> None:
    publisher = RedisPublisher(facility='news', broadcast=True)
    assert not away(lambda: publisher.publish_message('before', 0))
    other = elsewhere(ws4redis)
    with ws4redis.outage():
        assert away(lambda: publisher.publish_message('meanwhile', 0))
        assert other.ping()


def test_channel_is_that_of_one_audience(ws4redis: Broker) -> None:
    assert channel() == 'broadcast:news'
    assert channel('chat', users=['john']) == 'user:john:chat'
    assert unlikely() != unlikely()


def test_listeners_are_counted_by_process(ws4redis: Broker) -> None:
    name = channel()
    assert listeners(ws4redis, name) == 0
    hear(ws4redis), hear(ws4redis)
    assert listeners(ws4redis, name) == 1


def test_frame_of_a_client_is_masked() -> None:
    assert frame(Opcode.TEXT, b'hi', mask=False) == b'\x81\x02hi'
    assert frame(Opcode.TEXT, b'hi', fin=False, mask=False)[0] == 0x01
    assert text('hi')[1] & 0x80


@pytest.mark.django_db
def test_somebody_who_is_logged_in_has_his_groups(ws4redis: Broker) -> None:
    john = somebody('john', 'staff')
    assert [group.name for group in john.groups.all()] == ['staff']
    assert logged_in(john).session['_auth_user_id'] == str(john.pk)
