"""Miss: what is known of a message that a client did not get."""

from django.contrib.auth.models import User

from tests.testing.explain.failing import tell
from ws4redis.testing import Broker, WebSocketClient
from ws4redis.testing.explain.miss import Miss, Visit


def miss(broker: Broker, client: WebSocketClient) -> Miss:
    """The last publication, as this client has missed it."""
    return Miss(broker, client._end, broker.published[-1])


def test_facts_are_asked_for_by_name(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='user', force_user=User(username='mary'))
    tell(broker, 'hi')
    found = miss(broker, mary)
    assert [found[name] for name in ('who', 'kind', 'facility')] == ['mary', 'broadcast', 'news']
    assert not found.listened_at_first and not found.listens_now
    assert (found.mine, found.asked_names) == (['user:mary:news'], 'user')


def test_age_is_that_at_the_join(broker: Broker) -> None:
    tell(broker, 'hi', expire=60)
    broker.advance(61)
    mary = broker.connect('news', subscribe='broadcast', name='mary')
    found = miss(broker, mary)
    assert found.was_before and 61 <= found.age < 62
    assert (found.expired_for, found.joined_later) == ('1', ('mary joined 61 s later',))


def test_later_is_what_was_persisted_until_the_join(broker: Broker) -> None:
    for message, expire in (('one', 60), ('passing', 0), ('two', 60)):
        tell(broker, message, expire)
    mary = broker.connect('news', subscribe='broadcast')
    tell(broker, 'three', 60)
    found = Miss(broker, mary._end, broker.published[0])
    assert [publication.text for publication in found.later] == ['two']


def test_own_echo_is_told_from_equal_messages(broker: Broker) -> None:
    mary, john = (broker.connect('news', subscribe='broadcast', publish='broadcast') for _ in '12')
    mary.send('hi')
    assert miss(broker, mary).is_own_echo and not miss(broker, john).is_own_echo
    assert miss(broker, john).arrived and not miss(broker, mary).arrived


def test_end_is_the_servers_or_the_tests(broker: Broker) -> None:
    mary, john = (broker.connect('news', subscribe='broadcast') for _ in '12')
    mary.close(1000, 'bye')
    broker._engine.driver.withdraw(lambda who: True)
    broker.settle()
    assert (Visit(mary._end).by, Visit(mary._end).ending) == (
        'the test',
        ('close code 1000 (bye)',),
    )
    assert Visit(john._end).by == 'the server'


def test_facility_that_reads_alike_is_asked_about(broker: Broker) -> None:
    mary = broker.connect('news', subscribe='broadcast')
    broker.publish('hi', facility='newz', broadcast=True)
    assert miss(broker, mary).nearest == 'news'
    assert miss(broker, mary).did_you_mean == "did the publisher mean 'news', or connect() 'newz'? "
    broker.publish('hi', facility='chat', broadcast=True)
    assert miss(broker, mary).did_you_mean == ''
