"""The pages, the accounts and the policy, without a browser:
`python sandbox/manage.py test chatserver`.
"""

from io import BytesIO, StringIO
from wsgiref.handlers import SimpleHandler

from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.management import call_command
from django.http import HttpRequest
from django.test import RequestFactory, SimpleTestCase, TestCase, override_settings

from ws4redis.publisher import AudienceName, RedisPublisher

from .policies import allowed_channels
from .wsgi import application

PAGES = (
    '/',
    '/persist/',
    '/progress/',
    '/tests/',
    '/chats/',
    '/accounts/login/',
    '/broadcast/',
    '/user/',
    '/group/',
    '/session/',
    '/orders/',
)
PAGES_OF_USERS = ('/user/', '/group/', '/session/', '/orders/')


def published(request: HttpRequest, facility: str, audience: AudienceName) -> bytes | None:
    """Return what a websocket that this request opened would be sent first."""
    return RedisPublisher().fetch_message(request, facility, audience)


# Made to be quick where the default hasher is made to be slow.
fast_passwords = override_settings(
    PASSWORD_HASHERS=['django.contrib.auth.hashers.MD5PasswordHasher']
)


@fast_passwords
@override_settings(WS4REDIS_CONNECTION='memory://?allow=1')
class PagesTest(TestCase):
    """What a visitor sees and what the forms publish."""

    @classmethod
    def setUpTestData(cls) -> None:
        call_command('load_users', verbosity=0)

    def log_in(self, username: str) -> None:
        self.assertTrue(self.client.login(username=username, password='secret'))

    def request_of(self, username: str, path: str) -> HttpRequest:
        """Return a request that this user's browser sent."""
        self.log_in(username)
        return self.client.get(path).wsgi_request

    def test_every_page_answers(self) -> None:
        self.log_in('john')
        for path in PAGES:
            with self.subTest(path):
                self.assertEqual(self.client.get(path).status_code, 200)

    def test_visitors_without_login_chat_in_the_lobby_alone(self) -> None:
        self.assertEqual(self.client.get('/broadcast/').status_code, 200)
        for path in PAGES_OF_USERS:
            with self.subTest(path):
                self.assertRedirects(self.client.get(path), f'/accounts/login/?next={path}')

    def test_login_leads_back_and_logout_to_the_start(self) -> None:
        form = {'username': 'mary', 'password': 'secret', 'next': '/user/'}
        self.assertRedirects(self.client.post('/accounts/login/', form), '/user/')
        self.assertRedirects(self.client.post('/accounts/logout/'), '/chats/')
        self.assertNotIn('_auth_user_id', self.client.session)

    def test_page_tells_its_script_where_to_connect(self) -> None:
        page = self.client.get('/broadcast/')
        self.assertContains(
            page,
            'data-uri="ws://testserver/ws/lobby?subscribe-broadcast&amp;publish-broadcast&amp;echo"',
        )
        self.assertContains(
            page, '{"uri": "ws://testserver/ws/", "heartbeat_msg": "--heartbeat--"}'
        )
        self.log_in('john')
        self.assertContains(
            self.client.get('/orders/'), 'data-uri="ws://testserver/ws/orders?subscribe-tenant"'
        )

    def test_broadcast_form_publishes_to_everybody(self) -> None:
        response = self.client.post('/broadcast/', {'message': 'hello lobby'})
        self.assertEqual(response.status_code, 204)
        self.assertEqual(published(response.wsgi_request, 'lobby', 'broadcast'), b'hello lobby')

    def test_user_form_publishes_to_the_chosen_user_alone(self) -> None:
        self.log_in('john')
        response = self.client.post('/user/', {'user': 'mary', 'message': 'hello mary'})
        self.assertEqual(response.status_code, 204)
        self.assertIsNone(published(response.wsgi_request, 'user-chat', 'any'))
        self.assertEqual(
            published(self.request_of('mary', '/user/'), 'user-chat', 'user'), b'hello mary'
        )

    def test_group_form_publishes_to_the_members(self) -> None:
        self.log_in('john')
        response = self.client.post('/group/', {'group': 'chatters', 'message': 'hello chatters'})
        self.assertEqual(response.status_code, 204)
        self.assertEqual(
            published(self.request_of('mary', '/group/'), 'group-chat', 'group'), b'hello chatters'
        )

    def test_group_form_refuses_a_group_of_others(self) -> None:
        Group.objects.create(name='strangers')
        self.log_in('john')
        response = self.client.post('/group/', {'group': 'strangers', 'message': 'let me in'})
        self.assertContains(response, 'not one of the available choices', status_code=400)

    def test_session_form_publishes_to_this_browser_alone(self) -> None:
        self.log_in('john')
        response = self.client.post('/session/', {'message': 'hello windows'})
        self.assertEqual(response.status_code, 204)
        self.assertEqual(
            published(response.wsgi_request, 'session-chat', 'session'), b'hello windows'
        )
        self.client.logout()
        self.assertIsNone(
            published(self.request_of('john', '/session/'), 'session-chat', 'session')
        )

    def test_empty_message_is_not_published(self) -> None:
        response = self.client.post('/broadcast/', {'message': ' '})
        self.assertContains(response, 'This field is required', status_code=400)


@fast_passwords
class LoadUsersTest(TestCase):
    """The accounts that the pages speak of."""

    def test_running_it_twice_changes_nothing(self) -> None:
        call_command('load_users', verbosity=0)
        before = list(User.objects.values())
        call_command('load_users', verbosity=0)
        self.assertEqual(list(User.objects.values()), before)
        self.assertEqual(
            [user.get_username() for user in User.objects.order_by('pk')], ['john', 'mary']
        )
        members = Group.objects.order_by('name', 'user__username').values_list(
            'name', 'user__username'
        )
        self.assertEqual(
            list(members), [('chatters', 'john'), ('chatters', 'mary'), ('moderators', 'mary')]
        )

    def test_it_sets_back_a_changed_password(self) -> None:
        call_command('load_users', verbosity=0)
        john = User.objects.get(username='john')
        john.set_password('forgotten')
        john.save()
        call_command('load_users', verbosity=0)
        self.assertTrue(self.client.login(username='john', password='secret'))


class AllowedChannelsTest(SimpleTestCase):
    """Who may listen and publish where."""

    asked = ['subscribe-broadcast', 'publish-broadcast', 'publish-user']

    def allowed(self, path: str, user: User | AnonymousUser) -> list[str]:
        request = RequestFactory().get(path)
        request.user = user
        return allowed_channels(request, self.asked)

    def test_everybody_publishes_in_the_lobby(self) -> None:
        self.assertEqual(self.allowed('/ws/lobby', AnonymousUser()), self.asked)

    def test_users_publish_everywhere(self) -> None:
        self.assertEqual(self.allowed('/ws/user-chat', User(username='john')), self.asked)

    def test_others_only_listen_elsewhere(self) -> None:
        for path in ('/ws/user-chat', '/ws/', '/ws/lobby/2', '/ws/lobby2'):
            with self.subTest(path):
                self.assertEqual(self.allowed(path, AnonymousUser()), ['subscribe-broadcast'])


class ApplicationTest(SimpleTestCase):
    """What a WSGI server runs."""

    def test_application_answers_with_the_pages(self) -> None:
        output, errors = BytesIO(), StringIO()
        environ = RequestFactory().get('/chats/').environ
        SimpleHandler(BytesIO(), output, errors, environ).run(application)
        self.assertIn(b'200 OK', output.getvalue().partition(b'\r\n')[0])
        self.assertIn(b'<h1>Four chats, and a shop</h1>', output.getvalue())
        self.assertEqual(errors.getvalue(), '')
