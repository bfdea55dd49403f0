"""WebSocketLoop over TCP, in processes of its own: patched by gevent and not, on a real Redis and
on memory://.

What all of them share runs four times. Cases that stop the loop or Redis have a process to
themselves.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
import redis
from websockets.frames import Opcode

from tests.loop import inside
from tests.loop.process import (
    GUARD,
    Closed,
    LoopProcess,
    Refused,
    SocketClient,
    eventually,
    frame,
    request_head,
    steady,
)
from ws4redis.redis_client import bring_back, take_away
from ws4redis.testing.redis_process import RedisProcess

FEED = 'ws4redis.core.feed'
MEMORY = 'memory://?allow=1'
FORMS = ['patched', 'unpatched']
ANONYMOUS_MAY_PUBLISH = 'ws4redis.policies.allow_all'
NEWS = '/ws/news?subscribe-broadcast'
CHAT = '/ws/news?subscribe-broadcast&publish-broadcast'

Make: TypeAlias = Callable[..., LoopProcess]


def started(request: pytest.FixtureRequest, form: str, where: str, directory: Path) -> LoopProcess:
    """A process on the run's Redis server, or on memory://."""
    url = request.getfixturevalue('_shared_redis').url if where == 'redis' else MEMORY
    return LoopProcess(form, url, directory, {'WS4REDIS_ALLOWED_CHANNELS': ANONYMOUS_MAY_PUBLISH})


@pytest.fixture(
    scope='module',
    params=[(form, where) for form in FORMS for where in ('redis', 'memory')],
    ids='-'.join,
)
def process(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoopProcess]:
    """The process of all cases that leave it as they found it."""
    form, where = request.param
    with started(request, form, where, tmp_path_factory.mktemp(f'{form}-{where}')) as process:
        yield process
        process.forget_browsers()
        process.wait_for(websockets=0, channels=0, pending_bytes=0, running_jobs=0)
    assert 'Traceback' not in process.said(), process.said()


@pytest.fixture
def site(process: LoopProcess) -> Iterator[LoopProcess]:
    """The process, with an empty Redis and nobody connected; errors in its log fail the test
    unless it has asked for them.
    """
    process.run(inside.empty_redis)
    process.run(inside.take_seen)
    process.logs()
    yield process
    process.run(inside.open_gate)
    process.forget_browsers()
    process.wait_for(websockets=0, channels=0, patterns=0, pending_bytes=0, running_jobs=0)
    process.run(inside.close_gate)
    assert process.logs(level=logging.ERROR) == []


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes processes of this test alone."""
    processes: list[LoopProcess] = []

    def make(form: str, redis_url: str, **settings: object) -> LoopProcess:
        directory = tmp_path / str(len(processes))
        directory.mkdir()
        settings = {'WS4REDIS_ALLOWED_CHANNELS': ANONYMOUS_MAY_PUBLISH, **settings}
        processes.append(LoopProcess(form, redis_url, directory, settings))
        return stack.enter_context(processes[-1])

    with ExitStack() as stack:
        yield make
    for process in processes:
        assert 'Traceback' not in process.said(), process.said()


on_each_redis = pytest.mark.parametrize('where', ['redis', 'memory'])
in_each_form = pytest.mark.parametrize('form', FORMS)


@pytest.fixture
def url(request: pytest.FixtureRequest, where: str) -> str:
    """The Redis of a process of the test's own."""
    return str(request.getfixturevalue('redis_url')) if where == 'redis' else MEMORY


def needs_redis(site: LoopProcess) -> None:
    """For what there is on a Redis server only."""
    if site.redis == MEMORY:
        pytest.skip('memory:// has no connections to look at')


def uses_no_more(site: LoopProcess, than: dict[str, int]) -> bool:
    """Whether the process uses no more of anything than it did then."""
    return all(count <= than[name] for name, count in site.run(inside.usage).items())


# Messages on their way


def test_loop_lives_in_the_main_hub_if_gevent_has_patched_the_process_and_else_in_a_thread(
    site: LoopProcess,
) -> None:
    site.browser(NEWS)
    patched = site.form == 'patched'
    assert site.run(inside.loop_is_patched) is patched
    assert site.run(inside.threads_named, 'ws4redis-loop') == (0 if patched else 1)


def test_first_of_the_subprotocols_is_taken(site: LoopProcess) -> None:
    browser = site.browser(NEWS, subprotocols=['chat', 'soap'])
    assert browser.response is not None
    assert browser.response.headers['Sec-WebSocket-Protocol'] == 'chat'


def test_published_message_reaches_every_websocket_of_its_facility(site: LoopProcess) -> None:
    browsers = [site.browser(NEWS) for _ in range(3)]
    elsewhere = site.browser('/ws/other?subscribe-broadcast')
    site.publish('hello')
    site.publish('bye', 'other')
    assert [browser.receive() for browser in browsers] == ['hello'] * 3
    assert elsewhere.receive() == 'bye'


def test_message_that_is_no_utf8_goes_out_as_a_binary_frame(site: LoopProcess) -> None:
    browser = site.browser(NEWS)
    for message in ('grüß', b'\xff\x00', ''):
        site.publish(message)
    assert [browser.receive() for _ in range(3)] == ['grüß', b'\xff\x00', '']


def test_message_of_another_program_reaches_the_websocket(site: LoopProcess) -> None:
    browser = site.browser(NEWS)
    if site.redis == MEMORY:
        site.run(inside.raw_publish, 'broadcast:news', 'hello')
    else:
        with redis.Redis.from_url(site.redis) as client:
            assert client.publish('broadcast:news', 'hello') == 1
    assert browser.receive() == 'hello'


def test_persisted_message_is_sent_before_live_ones(site: LoopProcess) -> None:
    site.publish('old', expire=60)
    browser = site.browser(NEWS)
    site.publish('new')
    assert [browser.receive(), browser.receive()] == ['old', 'new']


def test_messages_that_arrive_while_persisted_ones_are_looked_up_are_held(
    site: LoopProcess,
) -> None:
    site.publish('old', expire=60)
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.GatedPersisted'):
        browser = site.browser(NEWS)
        eventually(lambda: site.run(inside.take_seen) == ['asked'])
        site.publish('new')
        site.publish('newer', expire=60)
        site.run(inside.open_gate)
        # The persisted message is 'newer' by now, which also came live: it is sent once, in its
        # place.
        site.publish('end')
        assert browser.receive_all_until('end') == ['new', 'newer']


def test_sender_gets_its_own_message_back_only_with_echo(site: LoopProcess) -> None:
    silent, echoing, other = site.browser(CHAT), site.browser(CHAT + '&echo'), site.browser(NEWS)
    silent.send('one')
    assert [echoing.receive(), other.receive()] == ['one', 'one']
    echoing.send('two')
    assert [echoing.receive(), other.receive(), silent.receive()] == ['two'] * 3


def test_binary_message_of_a_client_stays_binary(site: LoopProcess) -> None:
    sender, other = site.browser(CHAT), site.browser(NEWS)
    sender.send(b'\x80\x81')
    assert other.receive() == b'\x80\x81'


def test_message_of_a_client_is_persisted(site: LoopProcess) -> None:
    site.browser(CHAT).send('kept')
    sender = site.browser(CHAT)
    sender.send('kept')
    assert sender.close() == 1000
    assert site.browser(NEWS).receive() == 'kept'


def test_burst_costs_one_write_for_each_websocket(site: LoopProcess) -> None:
    browsers = [site.browser(NEWS) for _ in range(3)]
    site.publish('joined')
    assert [browser.receive() for browser in browsers] == ['joined'] * 3
    site.run(inside.count_writes)
    burst = [f'message {number}' for number in range(5)]
    site.run(inside.publish_burst, burst, 'broadcast:news')
    received = [[browser.receive() for _ in burst] for browser in browsers]
    writes = site.run(inside.take_writes)
    assert received == [burst] * 3
    assert len(writes) == len({descriptor for descriptor, _ in writes}) == 3


def test_frame_in_one_piece_with_the_request_is_not_lost(site: LoopProcess) -> None:
    other = site.browser(NEWS)
    site.browser(CHAT, behind=frame('early'))
    assert other.receive() == 'early'


def test_36_kb_of_frames_behind_the_request_are_not_lost(site: LoopProcess) -> None:
    messages = [f'{number:05} {"x" * 890}' for number in range(40)]
    other = site.browser(NEWS)
    sender = site.browser(CHAT, behind=b''.join(map(frame, messages)))
    sender.send('end')
    assert other.receive_all_until('end') == messages


def test_half_a_frame_holds_nothing_up(site: LoopProcess) -> None:
    browser, other = site.browser(CHAT), site.browser(NEWS)
    whole = frame('in two halves')
    browser.sock.sendall(whole[:5])
    site.publish('meanwhile')
    assert [browser.receive(), other.receive()] == ['meanwhile', 'meanwhile']
    browser.sock.sendall(whole[5:])
    assert other.receive() == 'in two halves'


def test_messages_of_one_megabyte_go_both_ways(site: LoopProcess) -> None:
    large = 'x' * (1 << 20)
    sender, other = site.browser(CHAT), site.browser(NEWS)
    sender.send(large)
    assert other.receive() == large
    assert other.close() == 1000


def test_nothing_but_frames_follows_the_101(site: LoopProcess) -> None:
    with socket.create_connection(('127.0.0.1', site.port), timeout=GUARD) as sock:
        sock.sendall(request_head(NEWS) + frame(b'\x03\xe8', Opcode.CLOSE))
        data = b''
        while piece := sock.recv(1 << 16):
            data += piece
    head, _, rest = data.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 101 ')
    assert rest == b'\x88\x02\x03\xe8'
    assert site.logs(level=logging.WARNING) == []


# Clients that do not keep up, or do not answer


def test_slow_reader_is_closed_with_1013_and_nobody_else_waits_for_it(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_MAX_PENDING=1 << 16):
        good, slow = site.browser(NEWS), site.browser(NEWS, receive_buffer=4096)
        before = site.status()['slow_readers']
        count = 0
        while site.status()['slow_readers'] == before:
            site.publish(f'{count} '.ljust(1 << 20))
            assert good.receive() == f'{count} '.ljust(1 << 20)
            count += 1
            assert count < 50, 'nothing fills the buffers of the system'
        site.publish('end')
        assert good.receive() == 'end'
        assert slow.wait_until_closed() == 1013
    (line,) = site.logs(level=logging.WARNING)
    assert 'slow reader' in line.text


def test_nothing_more_is_read_from_a_client_while_its_jobs_wait(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Gated', WS4REDIS_MESSAGE_RATE=None):
        other, sender = site.browser(NEWS), site.browser(CHAT)
        messages = [f'{number:04} '.ljust(4096) for number in range(400)]
        before = site.status()['messages_received']
        sending = threading.Thread(
            target=sender.sock.sendall, args=(b''.join(map(frame, messages)),)
        )
        sending.start()
        eventually(lambda: not all(site.run(inside.watches_reading)), 'back-pressure')
        for _ in range(10):
            # Each time the hub would read what has arrived.
            site.run(inside.pass_through_hub)
        assert site.status()['messages_received'] - before < 100
        site.publish('others are served')
        assert other.receive() == 'others are served'
        site.run(inside.open_gate)
        assert [other.receive() for _ in messages] == messages
        sending.join(GUARD)
        assert not sending.is_alive()


def test_heartbeat_comes_on_its_timer_and_the_clients_is_swallowed(site: LoopProcess) -> None:
    with (
        site.constant('ws4redis.core.liveness', 'HEARTBEAT_INTERVAL', 0.05),
        site.settings(WS4REDIS_HEARTBEAT='--beat--'),
    ):
        browser, other = site.browser(CHAT), site.browser(CHAT)
        assert [browser.receive() for _ in range(3)] == ['--beat--'] * 3
        before = site.status()['messages_received']
        browser.send('--beat--')
        browser.send('news')
        assert set(other.receive_all_until('news')) == {'--beat--'}
        assert site.status()['messages_received'] - before == 1


def test_client_that_answers_no_ping_is_dropped_and_one_that_does_stays(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_PING_INTERVAL=0.1, WS4REDIS_PING_TIMEOUT=0.1):
        mute = site.browser(NEWS, answers=False)
        before = site.status()['no_answer']
        assert mute.wait_until_closed() == 1006
        assert mute.pings == 1
        assert site.status()['no_answer'] - before == 1
    # The next ping comes by the interval, however long the answer to one may take.
    with site.settings(WS4REDIS_PING_INTERVAL=0.05, WS4REDIS_PING_TIMEOUT=3600):
        answering = site.browser(NEWS)
        answering.wait_until_pinged(3)
        site.publish('still here')
        assert answering.receive() == 'still here'


def test_client_that_leaves_without_a_word_is_noticed(site: LoopProcess) -> None:
    browser = site.browser(NEWS)
    site.wait_for(websockets=1)
    closed = site.status()['closed'].get(1006, 0)
    browser.drop()
    site.wait_for(websockets=0)
    assert site.status()['closed'][1006] == closed + 1


def test_client_that_sends_closes_and_looks_finds_its_message_published(site: LoopProcess) -> None:
    other, sender = site.browser(NEWS), site.browser(CHAT)
    for number in range(20):
        sender.send(str(number))
    assert sender.close(1000) == 1000
    assert [other.receive() for _ in range(20)] == [str(number) for number in range(20)]


# Who gets in


def test_websockets_above_the_limit_are_refused_with_503(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_MAX_WEBSOCKETS=2):
        first, _ = site.browser(NEWS), site.browser(NEWS)
        with pytest.raises(Refused) as refused:
            site.browser(NEWS)
        assert refused.value.status == 503
        assert refused.value.headers['Connection'].lower() == 'close'
        assert 'WS4REDIS_MAX_WEBSOCKETS' in site.logs(level=logging.WARNING)[-1].text
        first.close()
        site.wait_for(websockets=1)
        site.browser(NEWS)


def test_refused_websocket_costs_nothing(site: LoopProcess) -> None:
    site.browser(NEWS)
    before = site.run(inside.usage)
    for path, headers in (
        ('/ws/' + 'x' * 256, {}),
        (NEWS, {'Origin': 'http://evil.example'}),
        (NEWS, {'Upgrade': 'h2c'}),
    ):
        with pytest.raises(Refused):
            site.browser(path, headers=headers)
    eventually(lambda: uses_no_more(site, before), f'no more than {before}')
    assert site.status()['websockets'] == 1


# The site's code


def test_messages_of_one_client_are_worked_off_in_order(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Recording'):
        sender = site.browser(CHAT)
        messages = [str(number) for number in range(60)]
        sender.sock.sendall(b''.join(map(frame, messages)))
        assert sender.close() == 1000
        site.wait_for(websockets=0, running_jobs=0)
        assert site.run(inside.take_seen) == [*messages, 'release']


def test_jobs_of_different_websockets_run_side_by_side(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Meeting'):
        one, two = site.browser(CHAT), site.browser(CHAT)
        one.send('from one')
        two.send('from two')
        assert [one.receive(), two.receive()] == ['from two', 'from one']


def test_job_that_waits_holds_up_its_own_websocket_only(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Gated'):
        waiting, other = site.browser(CHAT), site.browser(NEWS)
        waiting.send('behind the gate')
        eventually(lambda: site.run(inside.take_seen) == ['behind the gate'])
        site.publish('past it')
        assert [waiting.receive(), other.receive()] == ['past it', 'past it']
        site.run(inside.open_gate)
        assert other.receive() == 'behind the gate'


def test_what_a_job_has_spawned_with_gevent_runs(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Spawning'):
        sender, other = site.browser(CHAT), site.browser(NEWS)
        sender.send('by a greenlet')
        assert other.receive() == 'by a greenlet'


@pytest.mark.parametrize(
    'name', ['ValueError', 'SystemExit', 'KeyboardInterrupt', 'GreenletExit', 'GeneratorExit']
)
def test_exception_of_the_sites_code_closes_its_websocket_with_1011_and_nothing_else(
    site: LoopProcess, name: str
) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Raising'):
        raising, other = site.browser(CHAT), site.browser(NEWS)
        raising.send(name)
        with pytest.raises(Closed) as closed:
            raising.receive()
        assert (closed.value.code, closed.value.reason) == (1011, 'internal error')
        (line,) = site.logs(level=logging.ERROR)
        assert (line.text, line.exception) == ('Raising.publish_message() failed', name)
        site.publish('still here')
        assert other.receive() == 'still here'


def test_exception_while_persisted_messages_are_sent_closes_with_1011(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.RaisingOnJoin'):
        assert site.browser(NEWS).wait_until_closed() == 1011
    (line,) = site.logs(level=logging.ERROR)
    assert line.text == 'RaisingOnJoin.send_persisted_messages() failed'


def test_exception_in_release_is_logged_and_nothing_else(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.RaisingOnRelease'):
        assert site.browser(NEWS).close() == 1000
        site.wait_for(websockets=0, running_jobs=0, channels=0)
    (line,) = site.logs(level=logging.ERROR)
    assert line.text == 'RaisingOnRelease.release() failed'


def test_call_that_gevent_cannot_patch_is_named_with_its_class_and_the_seconds(
    site: LoopProcess,
) -> None:
    with site.settings(
        WS4REDIS_SUBSCRIBER='tests.loop.inside.Blocking', WS4REDIS_BLOCKED_WARNING=0.2
    ):
        sender, other = site.browser(CHAT), site.browser(NEWS)
        site.logs()
        sender.send('at last')
        assert other.receive() == 'at last'
        site.run(inside.pass_through_hub)
        lines = [line.text for line in site.logs('ws4redis.hub', logging.WARNING)]
    if site.form == 'unpatched':
        # There it holds up one of the workers' threads.
        assert lines == []
    else:
        (text,) = lines
        assert text.startswith('the loop stood still for 0.')
        assert 'while Blocking ran' in text


def test_subscriber_sends_and_closes_by_its_handle(site: LoopProcess) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Keeps'):
        browser = site.browser(CHAT)
        browser.send('hello')
        assert browser.receive() == 'back: hello'
        browser.send('close')
        with pytest.raises(Closed) as closed:
            browser.receive()
        assert (closed.value.code, closed.value.reason) == (4001, 'as you wish')


def test_channel_that_is_subscribed_to_later_is_acknowledged_before_the_call_returns(
    site: LoopProcess,
) -> None:
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.Late'):
        browser = site.browser(CHAT)
        browser.send('extra')
        eventually(lambda: site.run(inside.take_seen) == [1], 'the acknowledgement')
        site.run(inside.raw_publish, 'extra', 'on the extra channel')
        assert browser.receive() == 'on the extra channel'
    browser.close()
    site.wait_for(websockets=0)
    eventually(lambda: site.run(inside.listeners, 'extra') == 0)


def test_subscriber_with_a_descriptor_of_its_own_is_asked_when_it_is_readable(
    site: LoopProcess,
) -> None:
    needs_redis(site)
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.OwnRedis', OWN_REDIS=site.redis):
        browser = site.browser(NEWS)
        site.run(inside.publish_burst, ['one', 'two', 'three'], 'of-its-own')
        assert [browser.receive() for _ in range(3)] == ['one', 'two', 'three']
        site.run(inside.raw_publish, 'of-its-own', 'four')
        assert browser.receive() == 'four'
        assert site.run(inside.usage)['own'] == 1
        assert site.run(inside.listeners, 'broadcast:news') == 0
        browser.close()
        site.wait_for(websockets=0, running_jobs=0)
        assert site.run(inside.usage)['own'] == 0
    eventually(lambda: site.run(inside.listeners, 'of-its-own') == 0)


# Rights


def cookie(session_key: str) -> dict[str, str]:
    """The header of a browser that is logged in."""
    return {'Cookie': f'sessionid={session_key}'}


def test_message_for_a_user_reaches_that_user_only(site: LoopProcess) -> None:
    path = '/ws/news?subscribe-user&subscribe-broadcast'
    john = site.browser(path, headers=cookie(site.run(inside.log_in, 'john')))
    mary = site.browser(path, headers=cookie(site.run(inside.log_in, 'mary')))
    site.publish('for john', users=['john'])
    site.publish('for all')
    assert [john.receive(), john.receive(), mary.receive()] == ['for john', 'for all', 'for all']


def test_logout_ends_the_websockets_of_that_session_with_1008(site: LoopProcess) -> None:
    session, other_session = (
        site.run(inside.log_in, 'john'),
        site.run(inside.log_in, 'john'),
    )
    ended = [site.browser(NEWS, headers=cookie(session)) for _ in range(2)]
    stays, anonymous = site.browser(NEWS, headers=cookie(other_session)), site.browser(NEWS)
    before = site.status()['rights_withdrawn']
    site.run(inside.log_out, session)
    assert [browser.wait_until_closed() for browser in ended] == [1008, 1008]
    site.publish('still here')
    assert [stays.receive(), anonymous.receive()] == ['still here'] * 2
    assert site.status()['rights_withdrawn'] - before == 2


@in_each_form
def test_recheck_finds_rights_that_nobody_has_withdrawn(make: Make, form: str) -> None:
    site = make(form, MEMORY, WS4REDIS_RECHECK=0.1)
    path = '/ws/news?subscribe-group&subscribe-broadcast'
    sessions = {
        name: site.run(inside.log_in, name, ['staff'])
        for name in ('deleted', 'inactive', 'left', 'stays')
    }
    browsers = {name: site.browser(path, headers=cookie(key)) for name, key in sessions.items()}
    anonymous = site.browser(NEWS)
    site.run(inside.delete_session, sessions['deleted'])
    site.run(inside.deactivate, 'inactive')
    site.run(inside.leave_group, 'left', 'staff')
    assert [browsers[name].wait_until_closed() for name in ('deleted', 'inactive', 'left')] == [
        1008
    ] * 3
    site.publish('still here')
    assert [browsers['stays'].receive(), anonymous.receive()] == ['still here'] * 2
    # Of anonymous ones nothing has to be looked up.
    browsers['stays'].close()
    eventually(
        lambda: site.run(inside.open_databases) == 0,
        'the end of the connections to the database',
    )
    assert site.logs(level=logging.ERROR) == []


@in_each_form
def test_recheck_waits_for_the_one_before(make: Make, form: str) -> None:
    site = make(form, MEMORY, WS4REDIS_RECHECK=0.05)
    with site.constant('ws4redis.access', 'no_longer_allowed', inside.recheck_at_the_gate):
        browser = site.browser(NEWS)
        eventually(lambda: 'rechecked' in site.run(inside.take_seen))
        site.run(inside.wait_in_hub, 0.3)
        assert site.run(inside.take_seen) == []
        site.run(inside.open_gate)
        eventually(lambda: 'rechecked' in site.run(inside.take_seen), 'the next one')
    site.publish('still here')
    assert browser.receive() == 'still here'


def test_database_connections_are_closed_after_handshake_and_job(site: LoopProcess) -> None:
    session = site.run(inside.log_in, 'john')
    with site.settings(WS4REDIS_SUBSCRIBER='tests.loop.inside.AsksDatabase'):
        browsers = [
            site.browser('/ws/news?subscribe-user&publish-user&echo', headers=cookie(session))
            for _ in range(5)
        ]
        for browser in browsers:
            browser.send('how many users?')
            assert str(browser.receive()).isdigit()
        eventually(
            lambda: site.run(inside.open_databases) == 0,
            'the end of the connections to the database',
        )


# What a websocket costs


def test_websockets_that_have_come_and_gone_leave_nothing(site: LoopProcess) -> None:
    def come_and_go(count: int) -> None:
        browsers = [
            site.browser(f'/ws/room{number % 7}?subscribe-broadcast&publish-broadcast')
            for number in range(count)
        ]
        for number, browser in enumerate(browsers):
            browser.send(f'{number}')
            if number % 2:
                browser.close()
        site.forget_browsers()
        site.wait_for(websockets=0, channels=0, running_jobs=0)

    come_and_go(40)
    before = site.run(inside.usage)
    come_and_go(200)

    eventually(lambda: uses_no_more(site, before), f'no more than {before}')
    assert before['wishes'] == before['own'] == 0


def test_websocket_costs_a_descriptor_and_neither_thread_nor_greenlet_nor_connection(
    site: LoopProcess,
) -> None:
    def usage() -> dict[str, int]:
        figures: dict[str, int] = site.run(inside.usage)
        return {name: figures[name] for name in ('descriptors', 'greenlets', 'threads', 'wishes')}

    for _ in range(2):
        site.browser(NEWS)
    before = steady(usage)
    for _ in range(50):
        site.browser(NEWS)

    after = steady(usage)
    assert after.pop('threads') <= before.pop('threads')
    assert after == before | {'descriptors': before['descriptors'] + 50}
    if site.redis != MEMORY:
        assert site.run(inside.pubsub_connections) == 1
        assert site.run(inside.listeners, 'broadcast:news') == 1


def test_descriptors_above_1023_serve(site: LoopProcess) -> None:
    limit = site.run(inside.hold_descriptors, 1100)
    if limit:
        pytest.skip(f'this system allows {limit} descriptors')
    try:
        # The first of them take what has become free below.
        browsers = [site.browser(CHAT) for _ in range(10)]
        assert (
            sum(descriptor > 1023 for descriptor in site.run(inside.descriptors_of_websockets)) > 1
        )
        for number, browser in enumerate(browsers):
            browser.send(f'from {number}')
            others = [other for other in browsers if other is not browser]
            assert [other.receive() for other in others] == [f'from {number}'] * 9
        assert [browser.close() for browser in browsers] == [1000] * 10
    finally:
        site.run(inside.let_go_of_descriptors)


# Faults of our own


@pytest.mark.parametrize('name', ['ValueError', 'SystemExit', 'KeyboardInterrupt'])
def test_loop_survives_an_exception_in_its_hub(site: LoopProcess, name: str) -> None:
    browser = site.browser(NEWS)
    site.run(inside.fail_in_hub, name)
    (line,) = site.logs(level=logging.ERROR)
    assert (line.logger, line.exception) == ('ws4redis.hub', name)
    site.publish('still here')
    assert browser.receive() == 'still here'


@pytest.mark.parametrize('name', ['ValueError', 'SystemExit'])
def test_websocket_that_makes_the_loop_fail_is_closed_and_the_others_stay(
    site: LoopProcess, name: str
) -> None:
    failing, other = site.browser(CHAT), site.browser(NEWS)
    site.run(inside.fail_for_next_client, name)
    failing.send('ouch')
    assert failing.wait_until_closed() == 1011
    (line,) = site.logs(level=logging.ERROR)
    assert line.exception == name
    site.publish('still here')
    assert other.receive() == 'still here'


# Beginning and end


def test_first_handshakes_at_once_make_one_loop(make: Make) -> None:
    site = make('unpatched', MEMORY)
    assert site.run(inside.start_loop_at_once, 16) == 1
    assert site.run(inside.threads_named, 'ws4redis-loop') == 1
    browser = site.browser(NEWS)
    site.publish('hello')
    assert browser.receive() == 'hello'


@on_each_redis
def test_process_that_was_forked_after_the_import_has_a_loop_of_its_own(
    make: Make, url: str
) -> None:
    site = make('forked', url)
    browser = site.browser(NEWS)
    site.publish('hello')
    assert browser.receive() == 'hello'
    assert site.status()['pid'] != site.pid
    browser.close()
    assert site.end() == 0


@on_each_redis
@in_each_form
def test_stop_says_goodbye_to_everybody_and_releases_every_subscriber(
    make: Make, form: str, url: str
) -> None:
    site = make(form, url, WS4REDIS_SUBSCRIBER='tests.loop.inside.Recording')
    browsers = [site.browser(NEWS) for _ in range(20)]
    site.publish('last words')
    codes: list[tuple[str | bytes, int]] = []

    def read(browser: SocketClient) -> None:
        codes.append((browser.receive(), browser.wait_until_closed()))

    readers = [threading.Thread(target=read, args=(browser,)) for browser in browsers]
    for reader in readers:
        reader.start()
    assert site.run(inside.stop_loop) is True
    for reader in readers:
        reader.join(GUARD)
    assert codes == [('last words', 1001)] * 20
    assert site.run(inside.take_seen) == ['release'] * 20
    with pytest.raises(Refused) as refused:
        site.browser(NEWS)
    assert refused.value.status == 503
    assert site.status()['websockets'] == 0


@in_each_form
def test_stop_does_not_wait_longer_than_it_may(make: Make, form: str) -> None:
    site = make(form, MEMORY)
    site.browser(NEWS, answers=False)
    site.publish('opened')
    assert site.run(inside.stop_loop, 0.2) is False
    lines = [line.text for line in site.logs('ws4redis.loop')]
    assert 'closing 1 websocket' in lines
    assert '1 websocket has not closed within 0.2 s' in lines


@in_each_form
@pytest.mark.parametrize('subscriber', ['ReleasedInFile', 'LooksUpOnRelease'])
def test_process_that_ends_says_goodbye_to_everybody(
    make: Make, form: str, subscriber: str, tmp_path: Path
) -> None:
    """Also where no thread can be started by then: Python 3.12."""
    released = tmp_path / 'released'
    site = make(
        form, MEMORY, WS4REDIS_SUBSCRIBER=f'tests.loop.inside.{subscriber}', SITE_FILE=str(released)
    )
    browsers = [site.browser(NEWS) for _ in range(5)]
    site.publish('last words')
    assert [browser.receive() for browser in browsers] == ['last words'] * 5
    site.begin_to_end()
    assert [browser.wait_until_closed() for browser in browsers] == [1001] * 5
    assert site.end() == 0
    assert released.read_bytes() == b'x' * 5


@in_each_form
def test_outage_of_memory_is_survived_like_that_of_a_server(make: Make, form: str) -> None:
    site = make(form, MEMORY, DEBUG=True)
    browser = site.browser(NEWS)
    site.publish('before')
    # Unread by then it would be lost with the connection, and 'after' takes its key.
    assert browser.receive() == 'before'
    site.run(take_away)
    site.wait_for(redis=False, websockets=1)
    site.run(bring_back)
    site.wait_for(redis=True, redis_gaps=1)
    site.publish('after')
    assert browser.receive() == 'after'


@on_each_redis
@in_each_form
def test_closed_loop_leaves_nothing(make: Make, form: str, url: str) -> None:
    site = make(form, url)
    first, *others = site.run(inside.use_and_close_loop, 4)
    assert (first['threads'], first['loops'], first['receivers']) == (0, 0, 0)
    assert others == [first] * 3


@in_each_form
def test_close_cuts_who_does_not_close_in_time_and_its_release_is_run(
    make: Make, form: str
) -> None:
    site = make(form, MEMORY, WS4REDIS_SUBSCRIBER='tests.loop.inside.Recording')
    browser, silent = site.browser(NEWS), site.browser(NEWS, answers=False)
    site.publish('opened')
    assert [browser.receive(), silent.receive()] == ['opened'] * 2
    codes: list[int] = []
    reader = threading.Thread(target=lambda: codes.append(browser.wait_until_closed()))
    reader.start()
    assert site.run(inside.close_loop, 0.5) is False
    reader.join(GUARD)
    assert codes == [1001]
    assert site.run(inside.take_seen) == ['release'] * 2
    assert silent.wait_until_closed() == 1001


# Redis away


@in_each_form
def test_websockets_outlive_redis_and_catch_up(
    make: Make, redis_process: RedisProcess, form: str
) -> None:
    site = make(form, redis_process.url)
    site.run(inside.listen_to_gaps)
    browsers = [site.browser(path) for path in (NEWS, NEWS, '/ws/other?subscribe-broadcast')]
    chatting = site.browser(CHAT)
    site.publish('before', expire=60)
    assert [browser.receive() for browser in (*browsers[:2], chatting)] == ['before'] * 3
    site.logs()

    redis_process.stop()
    site.wait_for(redis=False)
    assert site.run(inside.try_to_publish, 'never') == 'connection'
    chatting.send('cannot be stored')
    assert chatting.wait_until_closed() == 1013
    with pytest.raises(Refused) as refused:
        eventually(lambda: site.browser('/ws/newcomer?subscribe-broadcast'))
    assert refused.value.status == 503

    with site.constant(FEED, 'BACKOFF_FIRST', 3600.0), site.constant(FEED, 'BACKOFF_MOST', 3600.0):
        eventually(lambda: site.run(inside.waits_long), 'an attempt that fails')
        redis_process.start()
        with redis_process.client() as client:
            client.set('broadcast:news', 'meanwhile')
    site.run(inside.retry_now)
    site.wait_for(redis=True, redis_gaps=1)
    eventually(lambda: site.run(inside.listeners, 'broadcast:other') == 1)
    site.publish('after')
    site.publish('after', 'other')
    assert [browser.receive_all_until('after') for browser in browsers] == [
        ['meanwhile'],
        ['meanwhile'],
        [],
    ]
    ((seconds, channels, in_hub),) = eventually(lambda: site.run(inside.take_gaps), 'redis_gap')
    assert (seconds > 0, channels, in_hub) == (True, 2, False)
    lines = [line.text for line in site.logs('ws4redis.driver', logging.WARNING)]
    assert len([text for text in lines if text.startswith('Redis is away')]) == 1
    assert len([text for text in lines if text.startswith('Redis is back')]) == 1
    assert site.run(inside.pubsub_connections) == 1


@in_each_form
def test_redis_that_swallows_packets_is_noticed_and_left(
    make: Make, redis_url: str, form: str
) -> None:
    with SwallowingProxy(redis_url) as proxy:
        site = make(form, proxy.url)
        with site.constant(FEED, 'SILENCE', 0.2), site.constant(FEED, 'ANSWER_TIME', 1.0):
            browser = site.browser(NEWS)
            site.publish('before')
            assert browser.receive() == 'before'
            proxy.swallow()
            with redis.Redis.from_url(redis_url) as client:
                client.set('broadcast:news', 'meanwhile')
            assert browser.receive() == 'meanwhile'
            assert site.status()['redis_gaps'] == 1
            site.publish('after')
            assert browser.receive() == 'after'


@in_each_form
def test_silent_redis_that_answers_is_kept(make: Make, redis_url: str, form: str) -> None:
    site = make(form, redis_url)
    with site.constant(FEED, 'SILENCE', 0.02):
        browser = site.browser(NEWS)
        eventually(lambda: site.run(inside.pings_answered) >= 5, 'five signs of life')
    site.publish('still here')
    assert browser.receive() == 'still here'
    assert site.status()['redis_gaps'] == 0


class SwallowingProxy:
    """Stands between the loop and Redis; what has been connected when swallow() is called is
    kept open and never forwarded.
    """

    def __init__(self, redis_url: str) -> None:
        self._target = ('127.0.0.1', int(redis_url.rpartition(':')[2].partition('/')[0]))
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._swallowed: set[socket.socket] = set()
        self.url = f'redis://127.0.0.1:{self._listener.getsockname()[1]}/0'

    def __enter__(self) -> 'SwallowingProxy':
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        for pair in self._pairs:
            for sock in pair:
                sock.close()

    def swallow(self) -> None:
        for pair in list(self._pairs):
            self._swallowed.update(pair)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            pair = client, socket.create_connection(self._target)
            self._pairs.append(pair)
            for source, target in (pair, pair[::-1]):
                threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                if source not in self._swallowed:
                    target.sendall(data)
            if source not in self._swallowed:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
