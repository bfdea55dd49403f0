"""How many of something, as people write it."""

__all__ = ['counted']


def counted(number: float, one: str, many: str = '') -> str:
    """The number with its noun: '1 websocket', '2 websockets'.

    Args:
        one: what follows the number 1.
        many: what follows any other; empty is `one` with an s.
    """
    return f'{number} {one if number == 1 else many or one + "s"}'
