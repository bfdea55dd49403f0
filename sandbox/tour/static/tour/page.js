/* What all pages of the tour do: post a form where the page stays, and say how a websocket is. */

const STATES = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Disconnected, trying again',
  closed: 'Closed by the server',
};

/** Post a form, or some fields to an address; gives the response, or throws an Error that says what is wrong. */
export async function post(form, fields = {}) {
  const body = new FormData(form);
  for (const [name, value] of Object.entries(fields)) {
    body.set(name, value);
  }
  const response = await fetch(form.action, {method: 'POST', body});
  if (!response.ok) {
    throw new Error(await reason(response));
  }
  return response;
}

async function reason(response) {
  if (response.headers.get('Content-Type') !== 'application/json') {
    return `The server answered ${response.status}.`;
  }
  const {errors} = await response.json();
  return Object.values(errors).flat().map((error) => error.message ?? error).join(' ');
}

/** Show the state of a websocket in an element, now and whenever it changes. */
export function follow(websocket, element, also = () => {}) {
  const show = (state) => {
    element.dataset.state = state;
    element.textContent = STATES[state];
    also(state);
  };
  show(websocket.state);
  websocket.on('state', show);
}

/** Text never enters the page as markup: messages come from other people. */
export function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}
