"""Writes ws4redis/static/js/ws4redis.js, the classic script, from ws4redis.esm.js, the module:
python docs/make_script.py

A file with `export` is an error as a classic script, so there have to be two. Each stands for
itself: a module that imported the script would name it, and what collectstatic has given a hashed
name is not found by its own.
"""

from pathlib import Path

__all__ = ['MODULE', 'SCRIPT', 'script']

STATIC = Path(__file__).resolve().parent.parent / 'ws4redis/static/js'
MODULE = STATIC / 'ws4redis.esm.js'
SCRIPT = STATIC / 'ws4redis.js'

BEGINNING = """
var WS4Redis = (() => {
  'use strict';
"""
END = """
  // Pages written for release 0.6.0 may leave `new` out, which a class alone does not allow.
  return new Proxy(WS4Redis, {apply: (target, self, [options]) => new target(options)});
})();
"""


def script(module: str) -> str:
    """The text of the classic script."""
    head, separator, body = module.partition('*/\n')
    lines = body.replace('export class', 'class').splitlines()
    indented = ''.join(f'  {line}\n' if line else '\n' for line in lines)
    return head + separator + BEGINNING + indented + END


if __name__ == '__main__':
    SCRIPT.write_text(script(MODULE.read_text('utf-8')), 'utf-8')
