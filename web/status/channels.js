// The lists of channels: one element a channel, kept as long as it stands in the same list, changed only where its text changed.
// Titles and names come from strangers: text goes in as text alone.
'use strict';

const weirChannels = (() => {
  const words = weirWords;
  const $ = (id) => document.getElementById(id);
  const all = new Map();  // by id: {id, element, parts, form, standing, channel, samples, words, nextAt}
  const rateWindow = 12000, mostErrors = 20;

  function set(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function build(form) {
    const element = $(form).content.firstElementChild.cloneNode(true);
    const parts = {};
    for (const name of ['state', 'next', 'title', 'who', 'reason', 'alarm', 'file']) parts[name] = element.querySelector(`.${name}`);
    for (const value of element.querySelectorAll('[data-is]')) parts[value.dataset.is] = value;
    return {element, parts};
  }

  /// Bytes a second over the last polls: segments come in lumps.
  function rateOf(entry, bytes, now) {
    const samples = entry.samples;
    if (samples.length && bytes < samples[samples.length - 1].bytes) samples.length = 0;
    samples.push({now, bytes});
    while (samples.length > 2 && now - samples[0].now > rateWindow) samples.shift();
    const first = samples[0];
    return now - first.now < 1000 ? null : (bytes - first.bytes) / (now - first.now) * 1000;
  }

  function who(entry) {
    const {channel, id} = entry;
    return [channel.name, channel.name === id ? '' : id, words.labels(channel)].filter(Boolean).join(' · ');
  }

  function showRecording(entry, now) {
    const {parts, channel} = entry, r = channel.recording;
    const started = Boolean(r && (r.bytes || r.got));
    set(parts.length, started ? words.length(r.duration_seconds) : '–');
    set(parts.size, started ? words.size(r.bytes) : '–');
    const rate = started && channel.state === 'DOWNLOADING' ? rateOf(entry, r.bytes, now) : null;
    set(parts.rate, rate === null ? '–' : words.rate(rate));
    set(parts.losses, started ? words.losses(r) : '–');
    parts.losses.classList.toggle('bad', Boolean(started && (r.missing || r.gaps)));
    set(parts.quality, r?.quality || '–');
    set(parts.reconnects, started ? String(r.reconnects) : '–');
    parts.reconnects.classList.toggle('warn', Boolean(r?.reconnects));
    parts.rate.classList.toggle('warn', rate === 0);
    set(parts.file, r?.file || '');
    if (parts.file.title !== parts.file.textContent) parts.file.title = parts.file.textContent;
    const alarm = r?.waiting_for_space ? 'The disk is full: it waits for space.' : r?.behind > 10 ? `${r.behind} segments behind the live.` : '';
    set(parts.alarm, alarm);
    parts.alarm.hidden = !alarm;
  }

  function showEntry(entry, now) {
    const {parts, standing, channel, id} = entry;
    set(parts.state, standing.text);
    set(parts.who, who(entry));
    if (entry.form === 'card') {
      set(parts.title, channel.title || channel.name || id);
      // While it goes well the reason is the title.
      set(parts.reason, channel.reason && channel.reason !== channel.title ? channel.reason : '');
      showRecording(entry, now);
    } else {
      set(parts.reason, channel.reason || '');
    }
    showNext(entry, now);
  }

  function showNext(entry, now) {
    if (entry.nextAt === null) return set(entry.parts.next, entry.form === 'card' && entry.since ? `for ${words.span((now - entry.since) / 1000)}` : '');
    const left = (entry.nextAt - now) / 1000;
    return set(entry.parts.next, left <= 0 ? 'looks now' : `looks again in ${words.span(Math.ceil(left))}`);
  }

  function take(id, channel, now) {
    const standing = words.standing(channel), form = standing.kind === 'recording' ? 'card' : 'row';
    let entry = all.get(id);
    if (!entry) {
      entry = {id, form: '', samples: []};
      all.set(id, entry);
    }
    if (entry.form !== form) {
      entry.element?.remove();
      Object.assign(entry, build(form), {form, samples: []});
      entry.element.dataset.channel = id;
    }
    if (entry.standing?.order !== standing.order || entry.standing?.kind !== standing.kind) entry.element.dataset.state = `${standing.kind}-${standing.order}`;
    entry.channel = channel;
    entry.standing = standing;
    entry.since = Date.parse(channel.since) || 0;
    entry.nextAt = channel.next_look ? Date.parse(channel.next_look) : null;
    entry.text = [id, channel.name, channel.title, channel.reason, standing.text, words.labels(channel)].join(' ').toLowerCase();
    showEntry(entry, now);
  }

  /// Moves only what stands at a wrong place.
  function arrange(list, entries) {
    let at = list.firstElementChild;
    for (const {element} of entries) {
      if (element === at) at = at.nextElementSibling;
      else list.insertBefore(element, at);
    }
    while (at) {
      const after = at.nextElementSibling;
      at.remove();
      at = after;
    }
  }

  const compare = (a, b) => a.standing.order - b.standing.order
    || (a.channel.name || a.id).localeCompare(b.channel.name || b.id, undefined, {numeric: true}) || a.id.localeCompare(b.id);

  function showErrors(status) {
    const found = [];
    for (const [id, channel] of Object.entries(status.channels))
      for (const error of channel.errors_log) found.push({id, name: channel.name || id, ...error});
    found.sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
    found.length = Math.min(found.length, mostErrors);
    $('errors-part').hidden = found.length === 0;
    const list = $('errors');
    while (list.children.length > found.length) list.lastElementChild.remove();
    while (list.children.length < found.length) list.append($('error').content.firstElementChild.cloneNode(true));
    found.forEach((error, i) => {
      const item = list.children[i], time = item.querySelector('time');
      set(time, words.time(error.timestamp));
      if (time.dateTime !== error.timestamp) time.dateTime = error.timestamp;
      set(item.querySelector('.who'), error.name);
      set(item.querySelector('.reason'), error.error);
    });
  }

  const wish = {kind: 'all', text: ''};

  /// Hides what is not wished for; says how many of which kind there are.
  function filter() {
    const asked = wish.text.toLowerCase().split(/\s+/).filter(Boolean);
    const count = {all: 0, recording: 0, trouble: 0, waiting: 0}, shown = {card: 0, row: 0};
    for (const entry of all.values()) {
      ++count.all;
      ++count[entry.standing.kind];
      const fits = (wish.kind === 'all' || wish.kind === entry.standing.kind) && asked.every((word) => entry.text.includes(word));
      if (entry.element.hidden === fits) entry.element.hidden = !fits;
      if (fits) ++shown[entry.form];
    }
    $('running-part').hidden = shown.card === 0;
    $('others-part').hidden = shown.row === 0;
    const none = shown.card + shown.row === 0;
    $('nothing').hidden = !none;
    if (none) set($('nothing'), count.all ? 'No channel fits what you search for.' : 'No channels are configured yet.');
    for (const button of $('kinds').children) {
      set(button.querySelector('b'), String(count[button.dataset.kind]));
      button.setAttribute('aria-pressed', String(button.dataset.kind === wish.kind));
    }
    return count;
  }

  /// `now` by the clock of who answered.
  function show(status, now) {
    for (const [id, entry] of all) {
      if (id in status.channels) continue;
      entry.element.remove();
      all.delete(id);
    }
    for (const [id, channel] of Object.entries(status.channels)) take(id, channel, now);
    const sorted = [...all.values()].sort(compare);
    arrange($('running'), sorted.filter((entry) => entry.form === 'card'));
    arrange($('others'), sorted.filter((entry) => entry.form === 'row'));
    showErrors(status);
    return filter();
  }

  function tick(now) {
    for (const entry of all.values()) if (!entry.element.hidden) showNext(entry, now);
  }

  return {show, tick, filter, wish, set};
})();
