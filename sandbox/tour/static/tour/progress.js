/* The long task: its last message is persisted, so this page knows how far it is as soon as it is loaded. */
import {WS4Redis} from '../js/ws4redis.esm.js';
import {follow, post} from './page.js';

const byId = (id) => document.getElementById(id);
const form = byId('start');
const bar = byId('bar');

// A task that is killed cannot say so.
const GRACE = 3000;
let silence = null;

function heard({state, percent, error, at, next}) {
  clearTimeout(silence);
  bar.value = percent;
  byId('task').dataset.task = state;
  byId('percent').textContent = `${Math.round(percent)} %`;
  if (state === 'running') {
    byId('words').textContent = 'The task runs.';
    const due = at * 1000 + next * 1000 + GRACE - Date.now();
    silence = setTimeout(() => {
      byId('task').dataset.task = 'dead';
      byId('words').textContent = `No word from the task since ${new Date(at * 1000).toLocaleTimeString()}: it has died.`;
    }, Math.max(0, due));
  } else {
    byId('words').textContent = state === 'done' ? 'The task is done.' : `The task has failed: ${error}.`;
  }
}

const websocket = new WS4Redis({...WS4Redis.config(), uri: form.dataset.uri});
follow(websocket, byId('state'));
websocket.on('message', (data) => heard(JSON.parse(data)));

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    await post(form, event.submitter?.name ? {[event.submitter.name]: 'yes'} : {});
    byId('outcome').textContent = '';
  } catch (error) {
    byId('outcome').textContent = error.message;
  }
});
