"""RedisStore and RedisSubscriber under the module name that the API document has."""

from ws4redis.redis_store import RedisStore
from ws4redis.subscriber import RedisSubscriber

__all__ = ['RedisStore', 'RedisSubscriber']
