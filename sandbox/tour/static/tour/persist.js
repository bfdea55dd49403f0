/* Persist and expire: the key and its remaining seconds, and websockets that join late. */
import {WS4Redis} from '../js/ws4redis.esm.js';
import {element, follow, post} from './page.js';

const byId = (id) => document.getElementById(id);
const form = byId('keep');
const meter = byId('left');
const TURN = 200;

let endsAt = null;
let lifetime = 1;

function count() {
  const seconds = endsAt === null ? 0 : Math.max(0, (endsAt - performance.now()) / 1000);
  meter.max = lifetime;
  meter.value = seconds;
  byId('seconds').textContent = endsAt === null ? 'There is no such key.' : `${seconds.toFixed(1)} s left`;
  if (endsAt !== null && seconds === 0) {
    // What the key is now only Redis knows.
    endsAt = null;
    look();
  }
}

async function look() {
  const response = await fetch(form.dataset.state);
  if (!response.ok) {
    byId('outcome').textContent = `The server answered ${response.status}.`;
    return;
  }
  const {key, value, seconds} = await response.json();
  byId('key').textContent = key;
  byId('value').textContent = value ?? '(nil)';
  if (value !== null) {
    endsAt = performance.now() + seconds * 1000;
    lifetime = Math.max(lifetime, seconds);
  }
  count();
}

const websocket = new WS4Redis({...WS4Redis.config(), uri: form.dataset.uri});
follow(websocket, byId('state'));
websocket.on('message', (data) => {
  byId('live').append(element('li', JSON.parse(data).text));
  look();
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  lifetime = Number(form.elements.seconds.value);
  try {
    await post(form);
    byId('outcome').textContent = 'Published, and kept.';
  } catch (error) {
    byId('outcome').textContent = error.message;
  }
});

let latecomers = 0;

byId('join').addEventListener('click', () => {
  latecomers += 1;
  const item = element('li', '');
  const state = element('span', '', {class: 'state'});
  const got = element('span', 'has got nothing');
  item.append(element('b', `Latecomer ${latecomers}`), ' ', got, ' ', state);
  byId('latecomers').append(item);
  const late = new WS4Redis({...WS4Redis.config(), uri: form.dataset.uri});
  follow(late, state);
  late.on('message', (data) => {
    got.textContent = `has got “${JSON.parse(data).text}”`;
  });
});

look();
setInterval(count, TURN);
