"""The heartbeat: a text that is no message, whoever sends it; only as binary data it is one.

Recipient sends it; everything that a message may come by asks here whether it is one.
"""

__all__ = ['is_heartbeat', 'without_heartbeats']


def is_heartbeat(payload: bytes, heartbeat: bytes | None, *, binary: bool = False) -> bool:
    """Whether this is the heartbeat and no message.

    Args:
        heartbeat: the text; None for none.
        binary: whether the payload came from a websocket in a binary frame.
    """
    return payload == heartbeat and not binary


def without_heartbeats(payloads: list[bytes], heartbeat: bytes | None) -> list[bytes]:
    """Those that are messages, of what came from Redis."""
    if heartbeat not in payloads:
        return payloads
    return [payload for payload in payloads if not is_heartbeat(payload, heartbeat)]
