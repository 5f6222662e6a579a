// The relay's page: asks /api/stats each second while it is looked at, and shows a feed on demand. Text goes in as text only.
'use strict';

(() => {
  const $ = (id) => document.getElementById(id);
  const cards = new Map();  // by topic: {card, stop, shown}
  let token = sessionStorage.getItem('weir-token') || '';
  let recordings = [];

  // ---- words for people
  const size = (bytes) => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let n = 0;
    while (bytes >= 1000 && n < units.length - 1) { bytes /= 1000; ++n; }
    return `${n ? bytes.toFixed(bytes < 10 ? 2 : 1) : bytes} ${units[n]}`;
  };
  const rate = (bits) => bits <= 0 ? 'silent' : bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`;
  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  };
  const ago = (time, now) => span((Date.parse(now) - Date.parse(time)) / 1000);
  const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const ask = (path, options = {}) => fetch(path, {
    ...options, headers: {...(token ? {Authorization: `Bearer ${token}`} : {}), ...(options.headers || {})}});

  // ---- one feed or stream
  function socketUrl(name) {
    const url = new URL(`ws/${name.split('/').map((part) => encodeURIComponent(part).replace(/[._~!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)).join('/')}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (token) url.searchParams.set('token', token);
    return url.href;
  }

  function makeCard(name) {
    const card = $('topic-card').content.firstElementChild.cloneNode(true);
    const at = {card, stop: null, tracks: []};
    set(card.querySelector('h3'), name);
    const say = (text) => set(card.querySelector('.said'), text);
    const screen = card.querySelector('.screen'), show = card.querySelector('.show');
    show.addEventListener('click', () => {
      if (at.stop) {
        at.stop();
        at.stop = null;
        screen.replaceChildren();
        say('');
      } else {
        at.stop = weirPreview.show(screen, socketUrl(name), at.tracks, say);
        for (const event of ['playing', 'timeupdate'])
          screen.querySelector('video')?.addEventListener(event, () => say(''), {once: true});
      }
      screen.hidden = !at.stop;
      show.setAttribute('aria-expanded', String(Boolean(at.stop)));
      set(show, at.stop ? 'Hide' : 'Show');
    });
    card.querySelector('.record').addEventListener('click', () => record(name, say));
    $('topics').append(card);
    cards.set(name, at);
    return at;
  }

  const recordingOf = (name) => recordings.find((r) => r.stream === name && ['waiting', 'recording', 'finishing'].includes(r.state));

  async function record(name, say) {
    const running = recordingOf(name);
    const answer = running
      ? await ask(`api/recordings/${encodeURIComponent(running.id)}`, {method: 'DELETE'})
      : await ask('api/recordings', {method: 'POST', body: JSON.stringify({id: `page ${name}`, stream: name})});
    say(answer.ok ? '' : (await answer.text()).trim());
    await refresh();
  }

  function trouble(topic) {
    const sum = (key) => topic.publishers.reduce((total, p) => total + p[key], 0);
    const found = [];
    if (sum('continuity_errors')) found.push(`${sum('continuity_errors')} breaks`);
    if (sum('dropped_bytes')) found.push(`${size(sum('dropped_bytes'))} no packets`);
    if (topic.out.skips) found.push(`${topic.out.skips} skips by slow viewers`);
    return found.join(', ') || 'none';
  }

  function showTopic(topic, now) {
    const at = cards.get(topic.name) || makeCard(topic.name);
    const {card} = at, part = (name) => card.querySelector(`.${name}`);
    at.tracks = topic.tracks;
    card.classList.toggle('silent', topic.bits_per_second <= 0);
    set(part('feeds'), topic.kind === 'stream' ? `stream of ${topic.feeds.join(', ') || 'nothing (no rule)'}`
      : topic.publishers.length ? topic.publishers.map((p) => `from ${p.peer} for ${ago(p.since, now)}`).join('; ') : 'nobody publishes');
    set(part('codecs'), [...topic.tracks.map((t) => t.codec), ...(topic.messages ? ['messages'] : [])].join(' + '));
    set(part('rate'), rate(topic.bits_per_second));
    set(part('viewers'), `${topic.viewers.websocket} ws, ${topic.viewers.http_ts} http`);
    set(part('sent'), size(topic.out.bytes));
    set(part('trouble'), trouble(topic));
    part('trouble').classList.toggle('bad', trouble(topic) !== 'none');
    set(part('record'), recordingOf(topic.name) ? 'Stop recording' : 'Record');
  }

  // ---- tables
  function fill(id, rows) {
    $(`${id}-part`).hidden = rows.length === 0;
    $(id).replaceChildren(...rows.map((cells) => {
      const row = document.createElement('tr');
      for (const cell of cells) {
        const td = document.createElement('td');
        if (cell instanceof Node) td.append(cell);
        else if (typeof cell === 'object') { td.textContent = cell.text; td.className = cell.as; }
        else td.textContent = cell;
        row.append(td);
      }
      return row;
    }));
  }

  function destinationRow(d, now) {
    const state = d.state === 'waiting' && d.next_try
      ? `waiting, again in ${span((Date.parse(d.next_try) - Date.parse(now)) / 1000)}`
      : d.since ? `${d.state} for ${ago(d.since, now)}` : d.state;
    return [d.id, d.stream, d.destination, {text: state, as: d.state === 'connected' ? 'good' : 'bad'},
            {text: size(d.bytes), as: 'number'}, {text: String(d.skips), as: 'number'}, d.last_error];
  }

  function recordingRow(r) {
    const stop = document.createElement('button');
    stop.type = 'button';
    stop.textContent = 'Stop';
    stop.hidden = !recordingOf(r.stream) || recordingOf(r.stream).id !== r.id;
    stop.addEventListener('click', () => { stop.disabled = true; record(r.stream, () => {}); });
    const state = r.error ? `${r.state}: ${r.error}` : r.losses ? `${r.state}, ${r.losses} losses` : r.state;
    return [r.id, r.stream, r.file, {text: state, as: r.error ? 'bad' : 'good'}, {text: size(r.bytes), as: 'number'}, stop];
  }

  function show(stats) {
    recordings = stats.recordings;
    const names = new Set(stats.topics.map((t) => t.name));
    for (const [name, at] of cards) {
      if (names.has(name)) continue;
      if (at.stop) at.stop();
      at.card.remove();
      cards.delete(name);
    }
    for (const topic of stats.topics) showTopic(topic, stats.now);
    $('no-topics').hidden = stats.topics.length > 0;
    fill('destinations', stats.destinations.map((d) => destinationRow(d, stats.now)));
    // A button under the pointer must not be taken away each second.
    if (!$('recordings').contains(document.activeElement)) fill('recordings', stats.recordings.map(recordingRow));
    fill('commands', stats.commands.map((c) => [c.feed, c.state, {text: String(c.starts), as: 'number'}, c.last_error]));
    const incoming = stats.topics.filter((t) => t.kind === 'feed').reduce((sum, t) => sum + t.bits_per_second, 0);
    say(`up ${span(stats.uptime_seconds)}, ${stats.connections} connections, ${rate(incoming)} in`);
  }

  function say(text, bad = false) {
    set($('state'), text);
    $('state').classList.toggle('bad', bad);
  }

  // ---- the loop
  async function refresh() {
    try {
      const answer = await ask('api/stats', {cache: 'no-store'});
      $('sign-in').hidden = answer.status !== 401;
      if (answer.ok) show(await answer.json());
      else say(answer.status === 401 ? 'not signed in' : (await answer.text()).trim(), true);
    } catch {
      say('the relay does not answer; trying again', true);
    }
  }

  $('sign-in').addEventListener('submit', (event) => {
    event.preventDefault();
    token = $('token').value;
    sessionStorage.setItem('weir-token', token);
    refresh();
  });
  set($('push-example'), `ffmpeg -re -i FILE -f mpegts -codec:v mpeg1video -bf 0 ${new URL('ts/video0', location.href)}`);
  (async () => {
    for (;;) {
      if (!document.hidden) await refresh();
      await new Promise((done) => setTimeout(done, 1000));
    }
  })();
})();
