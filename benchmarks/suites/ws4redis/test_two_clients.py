"""Two clients, a publish, a receive; and that the other client got nothing."""

from django.contrib.auth.models import User

from ws4redis.testing import Broker


def test_anonymous(ws4redis: Broker, number: int) -> None:
    """Nobody is logged in; the database is not used."""
    listener = ws4redis.connect('news', subscribe='broadcast')
    other = ws4redis.connect('other', subscribe='broadcast')
    ws4redis.publish('hello', facility='news', broadcast=True)
    assert listener.receive() == 'hello'
    other.assert_nothing_received()


def test_login(ws4redis: Broker, db: None, number: int) -> None:
    """A user is made and logged in, in the database."""
    john = User.objects.create_user('john')
    listener = ws4redis.connect('news', subscribe='user', user=john)
    other = ws4redis.connect('news', subscribe='broadcast')
    ws4redis.publish('hello', facility='news', users=[john])
    assert listener.receive() == 'hello'
    other.assert_nothing_received()
