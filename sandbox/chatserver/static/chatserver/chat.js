/* The chat pages: messages of the websocket into the log, and two forms that send. */
(() => {
  'use strict';

  const MESSAGES_SHOWN = 200;
  const STATES = {
    connecting: 'Connecting.',
    open: 'Connected.',
    waiting: 'Disconnected, trying again.',
    closed: 'Closed by the server: you may no longer use this chat.',
  };

  const byId = (id) => document.getElementById(id);
  const log = byId('log');
  const messages = byId('messages');
  const websocketForm = byId('websocket-form');
  const djangoForm = byId('django-form');

  // Messages come from other people: they enter the page as text, never as markup.
  function showMessage(data) {
    const received = new Date();
    const time = document.createElement('time');
    time.dateTime = received.toISOString();
    time.textContent = received.toLocaleTimeString();
    const text = document.createElement('span');
    text.textContent = typeof data === 'string' ? data : `(${data.byteLength} bytes of binary data)`;
    const item = document.createElement('li');
    item.append(time, text);
    messages.append(item);
    if (messages.children.length > MESSAGES_SHOWN) {
      messages.firstElementChild.remove();
    }
    log.scrollTop = log.scrollHeight;
  }

  function showState(state) {
    byId('state').dataset.state = state;
    byId('state').textContent = STATES[state];
    websocketForm.querySelector('button').disabled = state !== 'open';
  }

  const websocket = new WS4Redis({...WS4Redis.config(), uri: websocketForm.dataset.uri});
  showState(websocket.state);
  websocket.on('state', showState);
  websocket.on('message', showMessage);

  websocketForm.addEventListener('submit', (event) => {
    event.preventDefault();
    if (websocket.is_connected()) {
      websocket.send(websocketForm.elements.message.value);
      websocketForm.reset();
    }
  });

  async function post() {
    const input = djangoForm.querySelector('input[type=text]');
    const sent = input.value;
    const response = await fetch(djangoForm.action, {method: 'POST', body: new FormData(djangoForm)});
    // Without a login the view leads to the form for it; a login in another tab, and this page's form is no longer taken.
    if (response.redirected) {
      throw new Error('you are logged out');
    }
    if (response.status !== 204) {
      throw new Error(`the server answered ${response.status}`);
    }
    // What was written meanwhile stays.
    if (input.value === sent) {
      input.value = '';
    }
  }

  djangoForm.addEventListener('submit', async (event) => {
    event.preventDefault();
    const outcome = byId('outcome');
    try {
      await post();
      outcome.textContent = 'Published.';
    } catch (error) {
      outcome.textContent = `Not published: ${error.message}.`;
    }
  });
})();
