"""Faults that somebody might make one day in the browser's client, for its cases under tests/js to
find: `make mutants` makes them one at a time.
"""

__all__ = ['SCRIPT_MUTATIONS']

SCRIPT_MUTATIONS: dict[str, tuple[str, str]] = {
    'script-waits-without-jitter': (' : ceiling * Math.random()', ' : ceiling'),
    'script-backs-off-not': (' * 2 ** this.#failures', ''),
    'script-waits-ever-longer': (
        'Math.min(longest_delay, first_delay * 2 ** this.#failures)',
        'first_delay * 2 ** this.#failures',
    ),
    'script-forgets-failures-at-once': (
        ' && performance.now() - this.#openedAt >= GOOD_CONNECTION',
        '',
    ),
    'script-never-forgets-failures': ('      this.#failures = 0;\n', ''),
    'script-comes-back-after-1008': ('POLICY_VIOLATION = 1008', 'POLICY_VIOLATION = 4008'),
    'script-takes-1013-like-any-other': ('event.code === TRY_AGAIN_LATER', 'false'),
    'script-hurries-after-1013': (' && !this.#toldToWait', ''),
    'script-never-forgets-1013': ('this.#toldToWait = toldTo', 'this.#toldToWait ||= toldTo'),
    'script-passes-over-online': (
        "    globalThis.addEventListener?.('online', this.#hurry);\n",
        '',
    ),
    'script-passes-over-visibility': (
        "    globalThis.document?.addEventListener('visibilitychange', this.#hurry);\n",
        '',
    ),
    'script-hurries-when-hidden': ("type !== 'online' && document.hidden", 'false'),
    'script-waits-online-until-visible': (
        "type !== 'online' && document.hidden",
        'document.hidden',
    ),
    'script-hurries-twice': (
        '      clearTimeout(this.#reconnectTimer);\n      this.#connect();',
        '      this.#connect();',
    ),
    'script-leaves-its-attempt': (
        '    clearTimeout(this.#reconnectTimer);\n    clearInterval',
        '    clearInterval',
    ),
    'script-leaves-its-heartbeat': (
        '    clearInterval(this.#heartbeatTimer);\n    this.#reconnectTimer =',
        '    this.#reconnectTimer =',
    ),
    'script-watches-the-dead': (
        '    clearInterval(this.#heartbeatTimer);\n    this.#heartbeatTimer = this.#socket',
        '    this.#socket',
    ),
    'script-watches-twice': (
        '    clearInterval(this.#heartbeatTimer);\n    this.#missed',
        '    this.#missed',
    ),
    'script-keeps-listening-for-online': (
        "    globalThis.removeEventListener?.('online', this.#hurry);\n",
        '',
    ),
    'script-keeps-listening-for-visibility': (
        "    globalThis.document?.removeEventListener('visibilitychange', this.#hurry);\n",
        '',
    ),
    'script-comes-back-after-close': (
        "} else if (this.#state !== 'closed') {\n      this.#wait",
        '} else {\n      this.#wait',
    ),
    'script-closes-nothing': ('    this.#socket?.close();\n', ''),
    'script-opens-what-is-closed': (
        "    if (this.#state === 'closed') {\n      return;",
        '    if (false) {\n      return;',
    ),
    'script-hides-errors': ('          throw error;\n', ''),
    'script-lets-errors-through': (
        '      } catch (error) {\n',
        '      } catch (error) {\n        throw error;\n',
    ),
    'script-gives-blobs': ("    socket.binaryType = 'arraybuffer';\n", ''),
    'script-shows-heartbeats': ('if (!heartbeat || data !== heartbeat) {', 'if (true) {'),
    'script-answers-no-heartbeat': ('      this.#socket.send(heartbeat);\n', ''),
    'script-takes-no-message-for-life': ('    this.#missedHeartbeats = 0;\n', ''),
    'script-declares-dead-too-soon': (
        'this.#missedHeartbeats > SILENT',
        'this.#missedHeartbeats >= SILENT',
    ),
    'script-declares-dead-after-sleep': (
        'this.#watch(SILENT_INTERVALS - 1)',
        'this.#watch(SILENT_INTERVALS)',
    ),
    'script-trusts-what-slept': ('this.#watch(SILENT_INTERVALS - 1)', 'this.#watch(0)'),
    'script-hears-the-dead': (
        '    socket.onopen = socket.onmessage = socket.onclose = null;\n',
        '',
    ),
    'script-queues-without-end': (
        '} else if (this.#queue.length >= most) {',
        '} else if (false) {',
    ),
    'script-queues-unasked': ('this.#options.queue || 0', 'this.#options.queue ?? 10'),
    'script-queues-what-is-closed': ("this.#state === 'closed' || most === 0", 'most === 0'),
    'script-sends-backwards': ('this.#queue.shift()', 'this.#queue.pop()'),
    'script-sends-into-the-closing': (
        'while (this.#queue.length && this.is_connected())',
        'while (this.#queue.length)',
    ),
    'script-sends-the-queue-last': (
        '    this.#watch(0);\n',
        "    this.#watch(0);\n    this.#enter('open');\n",
    ),
    'script-hands-out-methods-unbound': (
        'this[name] = this[name].bind(this)',
        'this[name] = this[name]',
    ),
    'script-ends-every-listener': (
        '(other) => other !== listener',
        '(other) => other.callback !== listener.callback',
    ),
    'script-says-every-state-twice': ('if (this.#state !== state) {', 'if (true) {'),
    'script-escapes-no-facility': ('segments.map(encodeURIComponent)', 'segments'),
    'script-escapes-slashes': (
        "segments.map(encodeURIComponent).join('/')",
        'encodeURIComponent(facility)',
    ),
    'script-takes-dots': ("segments.includes('.') || segments.includes('..')", 'false'),
    'script-takes-nothing-for-a-facility': ("typeof facility !== 'string'", 'false'),
    'script-takes-anything-for-audiences': (
        "typeof asked !== 'string' && !Array.isArray(asked)",
        'false',
    ),
    'script-takes-a-query-for-a-path': ('/[?#]/.test(base)', 'false'),
    'script-echoes-unasked': ("...(echo ? ['echo'] : [])", "'echo'"),
    'script-prefers-the-page-to-the-options': (
        '{...(options.uri ? {} : WS4Redis.config()), ...options}',
        '{...options, ...(options.uri ? {} : WS4Redis.config())}',
    ),
    'script-asks-the-page-always': ('options.uri ? {} : WS4Redis.config()', 'WS4Redis.config()'),
}
"""What each replaces in the module, and by what; the classic script is made of it as always."""
