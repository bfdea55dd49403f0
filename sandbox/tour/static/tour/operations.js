/* Operations: charts of the figures that the loop sends about itself. */
import {WS4Redis} from '../js/ws4redis.esm.js';
import {follow, post} from './page.js';

const SVG = 'http://www.w3.org/2000/svg';
const KEPT = 60;
const WIDTH = 300;
const HEIGHT = 80;
const SILENT = 3000;

const byId = (id) => document.getElementById(id);

/** A chart of the last minute. Its figures are in data-values too, for whoever would rather read than look. */
class Chart {
  #values = [];

  constructor(figure) {
    this.figure = figure;
    this.digits = Number(figure.dataset.digits ?? 0);
    this.line = document.createElementNS(SVG, 'polyline');
    this.area = document.createElementNS(SVG, 'polygon');
    figure.querySelector('svg').setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    figure.querySelector('svg').append(this.area, this.line);
  }

  add(value) {
    this.#values.push(value);
    this.#values.splice(0, this.#values.length - KEPT);
    const highest = Math.max(...this.#values);
    this.figure.dataset.values = JSON.stringify(this.#values);
    this.figure.querySelector('output').textContent = value.toFixed(this.digits);
    this.figure.querySelector('.highest').textContent = `highest ${highest.toFixed(this.digits)}`;
    const step = WIDTH / (KEPT - 1);
    const begin = WIDTH - step * (this.#values.length - 1);
    const points = this.#values.map((one, at) => {
      const height = highest > 0 ? one / highest : 0;
      return `${(begin + at * step).toFixed(1)},${(HEIGHT - 3 - height * (HEIGHT - 8)).toFixed(1)}`;
    });
    this.line.setAttribute('points', points.join(' '));
    this.area.setAttribute('points', [`${begin.toFixed(1)},${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(' '));
  }
}

const charts = new Map([...document.querySelectorAll('figure[data-chart]')].map((figure) => [figure.dataset.chart, new Chart(figure)]));

let before = null;
let silence = null;
let lost = false;

function fallSilent() {
  byId('charts').dataset.silent = 'yes';
  byId('silence').textContent = 'No figures come: Redis is away, or the loop has stopped. The websockets stay open.';
}

function heard(figures) {
  clearTimeout(silence);
  silence = setTimeout(fallSilent, SILENT);
  delete byId('charts').dataset.silent;
  byId('silence').textContent = '';
  // Several processes would each tell of themselves; the charts are those of one.
  if (before !== null && before.pid === figures.pid) {
    charts.get('in').add(figures.messages_from_redis - before.messages_from_redis);
    charts.get('out').add(figures.messages_sent - before.messages_sent);
    charts.get('websockets').add(figures.websockets);
    charts.get('pending').add(figures.pending_bytes);
    charts.get('latency').add(figures.latency);
    charts.get('gaps').add(figures.redis_gaps);
  }
  if (before === null || before.pid === figures.pid) {
    before = figures;
  }
}

const root = byId('charts');
const websocket = new WS4Redis({...WS4Redis.config(), uri: root.dataset.uri});
follow(websocket, byId('state'), (state) => {
  if (state === 'waiting') {
    before = null;
    lost = true;
  } else if (state === 'open' && lost) {
    lost = false;
    // A process that was started meanwhile tells its figures from its first visitor on.
    fetch(location.href).catch(() => {});
  }
});
websocket.on('message', (data) => heard(JSON.parse(data)));

// What it receives is seen in the charts.
const load = new WS4Redis({...WS4Redis.config(), uri: root.dataset.load});
load.on('message', () => {});

for (const form of document.querySelectorAll('form.act')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const outcome = form.querySelector('output');
    try {
      await post(form, event.submitter?.name ? {[event.submitter.name]: 'yes'} : {});
      outcome.textContent = event.submitter.dataset.done;
    } catch (error) {
      outcome.textContent = error.message;
    }
  });
}
