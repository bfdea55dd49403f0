"""What arrives: text, binary, JSON, large ones; each once and in order."""

from django.test.utils import override_settings

from ws4redis.testing.contract.site import Site
from ws4redis.testing.contract.steps import NEWS, channel, hear, somebody, talk, tell, text

__all__ = [
    'check_binary_arrives_as_binary',
    'check_binary_from_a_client_stays_binary',
    'check_burst_of_1000_arrives_in_order',
    'check_burst_of_a_client_arrives_in_order',
    'check_equal_messages_are_not_merged',
    'check_json_goes_there_and_back',
    'check_message_of_70_kib_both_ways',
    'check_order_holds_across_channels',
    'check_text_arrives_as_it_is',
    'check_text_of_a_client_goes_out_as_it_came',
]


def check_text_arrives_as_it_is(site: Site) -> None:
    """Text of any script, empty text and text that looks like something else arrive unchanged."""
    client = hear(site)
    messages = [
        'hello',
        '',
        'grün',
        '日本語',
        '\U0001f600',
        '\x00\x01',
        ' \r\n',
        '{"a": 1}',
        '--heartbeat--',
        'null',
    ]
    tell(site, *messages)
    assert client.receive_all() == messages


def check_binary_arrives_as_binary(site: Site) -> None:
    """What is no UTF-8 arrives as a binary message, what is arrives as text, and neither spoils
    the next.
    """
    client = hear(site)
    tell(site, b'\xff\xfe', 'text', 'grün'.encode(), b'\x80', b'', b'\xed\xa0\x80')
    assert client.receive_bytes() == b'\xff\xfe'
    assert client.receive_text() == 'text'
    assert client.receive_all() == ['grün', b'\x80', '', b'\xed\xa0\x80']


def check_binary_from_a_client_stays_binary(site: Site) -> None:
    """A binary message of a browser is published raw, persisted raw, and arrives as binary."""
    client, other = talk(site), hear(site)
    client.send(b'\xff\x00\xfe')
    assert other.receive_bytes() == b'\xff\x00\xfe'
    assert site.persisted(**NEWS) == b'\xff\x00\xfe'
    assert hear(site).receive_bytes() == b'\xff\x00\xfe'


def check_json_goes_there_and_back(site: Site) -> None:
    """An object that is published or sent as JSON arrives as an equal one."""
    obj = {'name': 'Jürgen', 'tags': [1, 2.5, None, True], 'nested': {'': ''}}
    client, other = talk(site), hear(site)
    site.publish(json=obj, facility='news', broadcast=True)
    assert client.receive_json() == other.receive_json() == obj
    client.send_json(obj)
    assert other.receive_json() == obj


def check_text_of_a_client_goes_out_as_it_came(site: Site) -> None:
    """What a browser sends is published raw: empty, non-ASCII and long texts."""
    client, other = talk(site), hear(site)
    messages = ['hello', '', 'grün', '\U0001f600', 'x' * 125, 'x' * 126, 'x' * 65_535, 'x' * 65_536]
    for message in messages:
        client.send(message)
    assert other.receive_all() == messages
    client.assert_nothing_received()


def check_message_of_70_kib_both_ways(site: Site) -> None:
    """A message larger than one read of a socket arrives whole, in both directions."""
    client, other = talk(site), hear(site)
    message = ''.join(f'{number:07},' for number in range(70 * 128))
    assert len(message) == 70 * 1024
    tell(site, message)
    assert client.receive() == other.receive() == message
    client.send(message.swapcase())
    assert other.receive() == message.swapcase()


def check_burst_of_1000_arrives_in_order(site: Site) -> None:
    """A thousand messages at once arrive all, once and in order, at each websocket."""
    clients = [hear(site) for _ in range(3)]
    messages: list[str | bytes] = [str(number) for number in range(1000)]
    pipeline = site.redis.pipeline(transaction=False)
    for message in messages:
        pipeline.publish(channel(), message)
    pipeline.execute()
    for client in clients:
        assert client.receive_all() == messages


def check_order_holds_across_channels(site: Site) -> None:
    """Messages of several channels arrive in the order in which Redis got them."""
    client = site.connect('news', subscribe=['user', 'broadcast'], user=somebody('john'))
    names = [channel(), channel(users=['john'])]
    expected: list[str | bytes] = [str(number) for number in range(200)]
    pipeline = site.redis.pipeline(transaction=False)
    for number, message in enumerate(expected):
        pipeline.publish(names[number % 3 == 0], message)
    pipeline.execute()
    assert client.receive_all() == expected


def check_burst_of_a_client_arrives_in_order(site: Site) -> None:
    """Three hundred messages that a browser sends at once are published all, once and in order."""
    with override_settings(WS4REDIS_MESSAGE_RATE=None):
        client = talk(site)
    other = hear(site)
    messages: list[str | bytes] = [str(number) for number in range(300)]
    client.send_raw(b''.join(text(str(number)) for number in range(300)))
    assert other.receive_all() == messages
    assert client.open


def check_equal_messages_are_not_merged(site: Site) -> None:
    """A message that is published three times arrives three times."""
    client = hear(site)
    pipeline = site.redis.pipeline(transaction=False)
    for message in ('same', 'same', 'other', 'same'):
        pipeline.publish(channel(), message)
    pipeline.execute()
    assert client.receive_all() == ['same', 'same', 'other', 'same']
