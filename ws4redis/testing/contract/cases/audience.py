"""Whom a message reaches: everybody, users, groups, sessions; and nobody else."""

from django.test.utils import override_settings

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import NEWS, channel, hear, logged_in, somebody, tell

__all__ = [
    'check_broadcast_reaches_everybody_who_listens',
    'check_facilities_are_apart',
    'check_facility_may_have_any_characters',
    'check_group_reaches_its_members',
    'check_groups_of_a_user_come_from_his_login',
    'check_invented_session_makes_no_channel',
    'check_name_that_makes_no_channel_is_refused',
    'check_prefix_stands_before_every_name',
    'check_session_gets_what_is_for_it_alone',
    'check_several_audiences_in_one_call',
    'check_user_gets_what_is_for_him_alone',
]


def check_broadcast_reaches_everybody_who_listens(site: Site) -> None:
    """A message for everybody reaches each websocket that listens, once, and no other."""
    one, two, deaf = hear(site), hear(site), site.connect('news')
    tell(site, 'hello')
    assert one.receive_all() == two.receive_all() == ['hello']
    deaf.assert_nothing_received()


def check_user_gets_what_is_for_him_alone(site: Site) -> None:
    """A message for a user reaches his websockets and nobody else's."""
    john, mary = somebody('john'), somebody('mary')
    his, hers, nobodys = (
        site.connect('news', subscribe='user', user=user) for user in (john, mary, None)
    )
    site.publish('for john', facility='news', users=[john])
    site.publish('for mary', facility='news', users=['mary'])
    assert his.receive_all() == ['for john']
    assert hers.receive_all() == ['for mary']
    nobodys.assert_nothing_received()


def check_group_reaches_its_members(site: Site) -> None:
    """A message for a group reaches those whose session names it, and nobody of a group whose
    name begins alike.
    """
    staff = site.connect('news', subscribe='group', groups=['staff', 'editors'])
    other = site.connect('news', subscribe='group', groups=['staffers'])
    site.publish('for staff', facility='news', groups=['staff'])
    site.publish('for editors', facility='news', groups=['editors'])
    assert staff.receive_all() == ['for staff', 'for editors']
    other.assert_nothing_received()


def check_groups_of_a_user_come_from_his_login(site: Site) -> None:
    """Whoever logs in listens for the groups that he has in the database."""
    john, mary = somebody('john', 'staff'), somebody('mary')
    his, hers = (site.connect('news', subscribe='group', user=user) for user in (john, mary))
    site.publish('for staff', facility='news', groups=['staff'])
    assert his.receive_all() == ['for staff']
    hers.assert_nothing_received()


def check_session_gets_what_is_for_it_alone(site: Site) -> None:
    """A message for a session reaches that browser, and not another one of the same user."""
    john = somebody('john')
    here, there = logged_in(john), logged_in(john)
    one, other = (
        site.connect('news', subscribe='session', client=client) for client in (here, there)
    )
    site.publish('here', facility='news', sessions=[here.session.session_key])
    assert one.receive_all() == ['here']
    other.assert_nothing_received()


def check_invented_session_makes_no_channel(site: Site) -> None:
    """A cookie with a session that there is not gets no session channel."""
    invented = 'x' * 32
    client = site.connect('news', subscribe=['session', 'broadcast'], session=invented)
    site.publish('not for you', facility='news', sessions=[invented])
    tell(site, 'for all')
    assert client.receive_all() == ['for all']


def check_several_audiences_in_one_call(site: Site) -> None:
    """One publish reaches users, groups, sessions and everybody, on each channel once, and
    leaves a message on each.
    """
    john, mary = somebody('john'), somebody('mary', 'staff')
    browser = logged_in(john)
    key = browser.session.session_key
    clients = [
        site.connect('news', subscribe='user', client=browser),
        site.connect('news', subscribe='user', user=mary),
        site.connect('news', subscribe='group', user=mary),
        site.connect('news', subscribe='session', client=browser),
        hear(site),
    ]
    everything = site.connect('news', subscribe=['user', 'session', 'broadcast'], client=browser)
    site.publish(
        'all',
        facility='news',
        users=[john, 'mary'],
        groups=['staff'],
        sessions=[key],
        broadcast=True,
        expire=60,
    )
    assert [client.receive_all() for client in clients] == [['all']] * 5
    assert everything.receive_all() == ['all'] * 3
    for audience in (
        {'users': [john]},
        {'users': ['mary']},
        {'groups': ['staff']},
        {'sessions': [key]},
        {'broadcast': True},
    ):
        assert site.persisted(facility='news', **audience) == b'all', audience


def check_facilities_are_apart(site: Site) -> None:
    """A message of one facility reaches no other, whatever their names have in common."""
    facilities = ['news', 'news/sport', 'new', 'news:sport', 'NEWS', '']
    clients = [hear(site, facility) for facility in facilities]
    for facility in facilities:
        site.publish(f'to {facility!r}', facility=facility, broadcast=True)
    assert [client.receive_all() for client in clients] == [
        [f'to {facility!r}'] for facility in facilities
    ]


def check_facility_may_have_any_characters(site: Site) -> None:
    """A facility goes through the URL as it is: spaces, umlauts, signs that URLs or Redis
    patterns know.
    """
    for facility in ['a b', 'grün', 'a%b', 'a?b', 'a+b', 'a#b', '*', '[x]', 'a\\b', '日本/語']:
        client = hear(site, facility)
        site.publish('hello', facility=facility, broadcast=True)
        assert client.receive_all() == ['hello'], facility


def check_prefix_stands_before_every_name(site: Site) -> None:
    """With WS4REDIS_PREFIX channels and keys carry it, and messages of other prefixes do not
    arrive.
    """
    without = channel()
    with override_settings(WS4REDIS_PREFIX='shop'):
        client = hear(site)
        assert channel() != without and channel().endswith('shop:broadcast:news')
        site.redis.publish(without, 'of another site')
        site.redis.publish(channel(), 'of this site')
        site.publish('published', facility='news', broadcast=True, expire=60)
        assert client.receive_all() == ['of this site', 'published']
        assert site.redis.get(channel()) == b'published'
        assert hear(site).receive_all() == ['published']
    assert site.persisted(**NEWS) is None
    assert hear(site).receive_all() == []


def check_name_that_makes_no_channel_is_refused(site: Site) -> None:
    """A user whose name holds a colon can be no audience, and hears nothing as another one."""
    for name in ('john:news', 'a\nb', ''):
        try:
            site.publish('hello', facility='news', users=[name])
        except ValueError:
            continue
        raise AssertionError(f'{name!r} made a channel')
    client = site.connect('x', subscribe='user', user=somebody('john:news'))
    site.redis.publish(channel('news:x', users=['john']), 'for john')
    client.assert_nothing_received()
