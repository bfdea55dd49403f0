/* The board: a websocket for each pane; a message goes into the tile of its audience. */
import {WS4Redis} from '../js/ws4redis.esm.js';
import {element, follow, post} from './page.js';

const SHOWN = 5;

const sentAt = new Map();
let number = 0;

function show(tile, message) {
  const item = element('li', '');
  item.append(element('b', message.from), ' ', element('span', message.text));
  if (sentAt.has(message.number)) {
    const milliseconds = performance.now() - sentAt.get(message.number);
    item.append(' ', element('small', `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`));
  }
  const list = tile.querySelector('ol');
  list.append(item);
  while (list.children.length > SHOWN) {
    list.firstElementChild.remove();
  }
  // A long message is read from its beginning.
  list.parentElement.scrollTop = item.offsetTop;
  tile.classList.remove('arrived');
  // The animation begins anew only after the browser has seen the tile without it.
  requestAnimationFrame(() => requestAnimationFrame(() => tile.classList.add('arrived')));
}

async function send(form, pane) {
  const outcome = form.querySelector('output');
  const sent = form.elements.text.value;
  number += 1;
  sentAt.set(number, performance.now());
  try {
    await post(form, {pane, number});
    outcome.textContent = '';
    // What was written meanwhile stays.
    if (form.elements.text.value === sent) {
      form.elements.text.value = '';
    }
  } catch (error) {
    outcome.textContent = error.message;
  }
}

for (const pane of document.querySelectorAll('.pane')) {
  const websocket = new WS4Redis({...WS4Redis.config(), uri: pane.dataset.uri});
  follow(websocket, pane.querySelector('.state'));
  websocket.on('message', (data) => {
    const message = JSON.parse(data);
    show(pane.querySelector(`.tile[data-audience=${message.audience}]`), message);
  });
  for (const form of pane.querySelectorAll('.tile form')) {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      send(form, pane.dataset.name);
    });
  }
  const leave = pane.querySelector('.leave');
  leave.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await post(leave, {pane: pane.dataset.name});
    } catch (error) {
      leave.querySelector('output').textContent = error.message;
      return;
    }
    leave.querySelector('button').disabled = true;
    leave.querySelector('output').textContent = 'Logged out. Load the page again to log in.';
  });
}
