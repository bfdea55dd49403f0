"""The module name that the API document has."""

import ws4redis.redis_store
import ws4redis.store
import ws4redis.subscriber


def test_store_has_the_classes_that_the_api_document_names() -> None:
    assert ws4redis.store.RedisStore is ws4redis.redis_store.RedisStore
    assert ws4redis.store.RedisSubscriber is ws4redis.subscriber.RedisSubscriber
    assert ws4redis.store.__all__ == ['RedisStore', 'RedisSubscriber']
