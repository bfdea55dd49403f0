"""Writes docs/reference.md from the docstrings of all that is public.

The command is python docs/make_reference.py.
"""

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin

import django

__all__ = ['PAGE', 'PUBLIC', 'Section', 'page']

PAGE: Final = Path(__file__).resolve().parent / 'reference.md'
WIDTH: Final = 88
CHECKS: Final = PAGE.parent.parent / 'ws4redis/checks'

HEAD: Final = """# Reference

All that is public. What is not on this page is private, with an underscore or without: it changes
without a word in the changelog. The page is made from the docstrings by
`python docs/make_reference.py`.

"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        module: where the names are imported from.
        names: what is public in this module, in the order of the page.
        whole: whether the module offers nothing else; otherwise it is private but for these names.
    """

    title: str
    module: str
    names: tuple[str, ...]
    whole: bool = True


PUBLIC: Final = (
    Section(
        'Publishing',
        'ws4redis.publisher',
        ('RedisPublisher', 'AudienceName', 'redis_connection_pool', 'StrictRedis'),
    ),
    Section(
        'Messages and channels',
        'ws4redis.redis_store',
        ('RedisStore', 'RedisMessage', 'Message', 'SELF'),
    ),
    Section(
        'Serving a websocket',
        'ws4redis.subscriber',
        ('RedisSubscriber', 'PubSub', 'WebSocketHandle', 'facility_of'),
    ),
    Section('As the API document spells it', 'ws4redis.store', ('RedisStore', 'RedisSubscriber')),
    Section(
        'Policies',
        'ws4redis.policies',
        ('default', 'allow_all', 'authenticated_only', 'subscribe_only'),
    ),
    Section('Patterns', 'ws4redis.core.glob', ('glob_escape',), whole=False),
    Section('Signals', 'ws4redis.signals', ('WebSockets', 'redis_gap', 'rights_withdrawn')),
    Section('Applications', 'ws4redis.wsgi', ('get_wsgi_application', 'WebSocketDispatcher')),
    Section('Websockets alone', 'ws4redis.wsgi_server', ('WebsocketWSGIServer',)),
    Section('uWSGI', 'ws4redis.uwsgi_runserver', ('uWSGIWebsocketServer',)),
    Section('runserver', 'ws4redis.django_runserver', ('application', 'WebsocketRunServer')),
    Section('Templates', 'ws4redis.context_processors', ('default', 'websocket_uri')),
    Section(
        'Template tags',
        'ws4redis.templatetags.ws4redis',
        ('websocket_config', 'websocket_uri'),
        whole=False,
    ),
    Section('The loop', 'ws4redis.loop', ('current_loop',), whole=False),
    Section('Its figures', 'ws4redis.status', ('Status',), whole=False),
    Section(
        'An outage of memory://', 'ws4redis.redis_client', ('take_away', 'bring_back'), whole=False
    ),
    Section('Settings', 'ws4redis.settings', ('SETTINGS', 'Setting')),
    Section(
        'Exceptions',
        'ws4redis.exceptions',
        (
            'Ws4redisError',
            'HandshakeError',
            'UpgradeRequiredError',
            'ForbiddenError',
            'UnavailableError',
            'WebSocketError',
            'FrameTooLargeException',
            'ChannelNameError',
            'HiddenLibraryError',
            'NothingToRead',
        ),
    ),
    Section(
        'The test kit',
        'ws4redis.testing',
        (
            'Broker',
            'WebSocketClient',
            'Publication',
            'Publications',
            'ANY',
            'HandshakeRejected',
            'FakeWebSocket',
            'FakeRedisStore',
            'FakeRedisPublisher',
            'FakeRedisSubscriber',
            'LiveServer',
            'LiveClient',
            'subscriber_contract',
            'SubscriberCase',
            'DiscoverRunner',
            'GuardMixin',
        ),
    ),
)


_HOMES: Final = {
    'SELF': 'ws4redis.core.audience',
    'Message': 'ws4redis.core.text',
    'ANY': 'ws4redis.testing.explain.matching',
}
"""Where those are assigned, and described, that have no docstring of their own."""

_ALIASES: Final = {
    'ws4redis.store': 'The same objects as above.\n\n',
    'ws4redis.status': (
        'What `current_loop().status()` gives, a TypedDict. Each figure stands in '
        '[troubleshooting](troubleshooting.md#figures).\n\n'
    ),
    'ws4redis.settings': (
        '`from ws4redis import settings` and `settings.WS4REDIS_EXPIRE`: each is read from '
        "Django's settings when it is asked for. What there is: [settings](settings.md). "
        '`SETTINGS` has them by name, each a `Setting`.\n\n'
    ),
}
"""Sections that say what they are instead of their docstrings."""


def page() -> str:
    """The text of the page."""
    sys.path.insert(0, str(PAGE.parent.parent))
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'tests.settings')
    django.setup()
    _documented.clear()
    return HEAD + '\n'.join(''.join(_section(section)) for section in PUBLIC) + ''.join(_checks())


def _section(section: Section) -> Iterator[str]:
    module = importlib.import_module(section.module)
    yield f'## {section.title}\n\n`from {section.module} import {", ".join(section.names)}`\n\n'
    if section.module in _ALIASES:
        yield _ALIASES[section.module]
        return
    for name in section.names:
        home = importlib.import_module(_HOMES.get(name, section.module))
        yield from _entry(name, getattr(module, name, None), _attribute_docs(home).get(name, ''))


def _entry(name: str, value: Any, said: str) -> Iterator[str]:
    """One name: its signature and docstring, then the members of a class."""
    yield f'### {name}\n\n'
    if inspect.isclass(value) and not value.__module__.startswith('ws4redis'):
        home = value.__module__.partition('.')[0]
        yield f'`{home}.{value.__name__}`, under the name of release 0.6.0.\n\n'
        return
    if value in _documented:
        yield f'The same as {_documented[value]}.\n\n'
        return
    if not callable(value) or get_origin(value) is not None or value is Any:
        yield _prose(said) + '\n'
        return
    docstring = inspect.getdoc(value) or ''
    if not inspect.isclass(value) or 'Args:' in docstring:
        yield _code(name, value)
    yield _prose(docstring) + '\n'
    _documented[value] = name
    if inspect.isclass(value):
        yield from _member_entries(name, value)


_documented: Final[dict[Any, str]] = {}
"""What stands on the page already, and where."""


def _member_entries(owner: str, value: type) -> Iterator[str]:
    again: dict[str, list[str]] = {}
    for member, found in _members(value):
        function = found.fget if isinstance(found, property) else found
        function = getattr(function, '__func__', function)
        if function in _documented:
            again.setdefault(_documented[function], []).append(f'`{member}`')
            continue
        _documented[function] = owner
        yield f'#### {owner}.{member}\n\n'
        if not isinstance(found, property):
            yield _code(member, function, bound=not isinstance(found, staticmethod))
        yield _prose(inspect.getdoc(function) or '') + '\n'
    for other, names in again.items():
        yield f'As those of {other}: {", ".join(names)}.\n\n'


def _code(name: str, value: Any, *, bound: bool = False) -> str:
    """The call, a line for each parameter if it is long."""
    text = f'{name}{_signature(value, bound=bound)}'
    if len(text) > WIDTH:
        inside = text[len(name) + 1 : -1]
        text = f'{name}(\n' + ''.join(f'    {part},\n' for part in _split(inside)) + ')'
    return f'```text\n{text}\n```\n\n'


def _split(parameters: str) -> list[str]:
    """At the commas that are in no bracket."""
    parts, depth = [''], 0
    for char in parameters:
        depth += (char in '([{') - (char in ')]}')
        if char == ',' and not depth:
            parts.append('')
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _members(owner: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties without an underscore, those of private bases among them."""
    seen = set()
    for base in owner.__mro__:
        if base is not owner and (
            base.__name__ in _names() or not base.__module__.startswith('ws4')
        ):
            continue
        for name, value in vars(base).items():
            kind = isinstance(value, (property, staticmethod, classmethod)) or inspect.isfunction(
                value
            )
            if kind and not name.startswith('_') and name not in seen:
                seen.add(name)
                yield name, value


def _names() -> set[str]:
    return {name for section in PUBLIC for name in section.names}


def _signature(value: Any, *, bound: bool = False) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ''
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for number, parameter in enumerate(signature.parameters.values())
        if not (bound and number == 0 and parameter.name in ('self', 'cls'))
        and not parameter.name.startswith('_')
    ]
    text = str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r'\1', text)
    text = re.sub(r'<\w+\.\w+: (\d+)>', r'\1', text)
    return text.replace('=Ellipsis', '=...')


_FIELD: Final = re.compile(r'^(\*{0,2}\w[\w, *]*(?: \([^)]*\))?): (.*)', re.DOTALL)


def _prose(docstring: str) -> str:
    """Markdown of a docstring: Args and the like become lists."""
    parts = []
    for block in inspect.cleandoc(docstring).split('\n\n'):
        head, _, rest = block.partition('\n')
        if head.rstrip(':') in ('Args', 'Returns', 'Raises', 'Attributes') and head.endswith(':'):
            parts.append(f'*{head}*\n\n' + ''.join(f'- {_item(item)}\n' for item in _items(rest)))
        elif block.startswith('    '):
            parts.append(block + '\n')
        else:
            parts.append(' '.join(block.split()) + '\n')
    return '\n'.join(parts)


def _items(text: str) -> Iterator[str]:
    """The entries below Args: each begins at the left, its further lines stand to the right."""
    entry: list[str] = []
    for line in inspect.cleandoc(text).split('\n'):
        if not line.startswith(' ') and entry and (_FIELD.match(line) or entry[-1].endswith('.')):
            yield ' '.join(entry)
            entry = []
        entry.append(line.strip())
    yield ' '.join(entry)


def _item(text: str) -> str:
    found = _FIELD.match(text)
    return f'`{found[1]}`: {found[2]}' if found else text


def _attribute_docs(module: Any) -> dict[str, str]:
    """The strings that stand behind assignments."""
    body = ast.parse(inspect.getsource(module)).body
    # What a type checker alone sees is described there.
    body += [node for part in body if isinstance(part, ast.If) for node in part.body]
    return {
        target.id: node.value.value
        for before, node in zip(body, body[1:], strict=False)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in _targets(before)
    }


def _targets(node: ast.stmt) -> Iterator[ast.Name]:
    found = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, 'targets', [])
    yield from (target for target in found if isinstance(target, ast.Name))


def _checks() -> Iterator[str]:
    yield '\n## System checks\n\n'
    yield '`manage.py check` finds them; W010 and W011 are those of `manage.py check --deploy`.\n\n'
    yield '| id | says | and |\n|---|---|---|\n'
    rows = [row for path in sorted(CHECKS.glob('*.py')) for row in _findings(path)]
    yield from (f'| `{number}` | {text} | {hint} |\n' for number, text, hint in sorted(set(rows)))


def _findings(path: Path) -> Iterator[tuple[str, str, str]]:
    for function in ast.parse(path.read_text('utf-8')).body:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, 'id', '') in ('Error', 'Warning'):
                keywords = {keyword.arg: keyword.value for keyword in node.keywords}
                says, hint = _text(node.args[0]), _text(keywords['hint'])
                yield from ((number, says, hint) for number in _ids(keywords['id'], function))


def _ids(node: ast.expr, function: ast.stmt) -> list[str]:
    """The id, or those that the function goes through."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    return re.findall(r'ws4redis\.[EW]\d{3}', ast.unparse(function))


def _text(node: ast.expr) -> str:
    """A message of a check; what is known only when it is made stands as …."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return ''.join(
            str(part.value) if isinstance(part, ast.Constant) else '…' for part in node.values
        )
    return '…'


if __name__ == '__main__':
    PAGE.write_text(page(), 'utf-8')
