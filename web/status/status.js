// Asks for the status every two seconds while somebody looks, and says so when no answer comes.
'use strict';

(() => {
  const words = weirWords, channels = weirChannels, {set} = channels;
  const $ = (id) => document.getElementById(id);
  const between = 2000, longest = 30000, patience = 10000;
  let shift = 0;           // of the server's clock against ours
  let answered = 0;        // when the last good answer came, by our clock
  let failures = 0, nextTry = 0, version = '', told = '', started = 0;
  let wake = () => {};

  const now = () => Date.now() + shift;

  function tell(count) {
    const text = `${words.many(count.recording, 'channel')} recording, ${count.trouble} in trouble, ${count.all} in all`;
    if (text !== told) set($('told'), text);
    told = text;
  }

  function about(status) {
    set($('program'), status.program);
    set($('about'), `version ${status.version} · up ${words.span((now() - started) / 1000)}`);
  }

  function show(status) {
    if (version && version !== status.version) return location.reload();
    version = status.version;
    shift = Date.parse(status.now) - Date.now();
    started = Date.parse(status.started);
    const count = channels.show(status, now());
    about(status);
    tell(count);
    document.title = `${count.recording ? `● ${count.recording} recording – ` : ''}${status.program}`;
    answered = Date.now();
    failures = 0;
    connection('');
    return undefined;
  }

  /// Empty: all is well.
  function connection(trouble) {
    document.body.classList.toggle('stale', Boolean(trouble));
    $('lost').hidden = !trouble;
    set($('link'), trouble ? 'no connection' : 'live');
    $('link').classList.toggle('good', !trouble);
    $('link').classList.toggle('bad', Boolean(trouble));
    set($('lost-what'), trouble);
  }

  function failed(why) {
    ++failures;
    connection(answered ? `${why} What you see is from ${words.time(answered)}.` : why);
  }

  async function ask() {
    try {
      const answer = await fetch('api/status', {cache: 'no-store', signal: AbortSignal.timeout(patience)});
      if (answer.status === 401) return location.reload();
      if (answer.ok) return show(await answer.json());
      failed(`weir answered ${answer.status}: ${(await answer.text()).trim().slice(0, 200)}.`);
    } catch {
      failed('weir does not answer.');
    }
    return undefined;
  }

  function showWait() {
    const left = Math.ceil((nextTry - Date.now()) / 1000);
    set($('lost-next'), left > 0 ? `Next try in ${left} s.` : 'Trying…');
  }

  async function loop() {
    for (;;) {
      if (!document.hidden) await ask();
      const pause = failures ? Math.min(longest, between * 2 ** (failures - 1)) : between;
      nextTry = Date.now() + pause;
      if (failures) showWait();
      await new Promise((done) => { wake = done; setTimeout(done, document.hidden ? longest : pause); });
    }
  }

  document.addEventListener('visibilitychange', () => { if (!document.hidden) wake(); });
  addEventListener('online', () => wake());
  $('try-now').addEventListener('click', () => wake());
  setInterval(() => {
    if (document.hidden) return;
    if (failures) showWait();
    else if (answered) channels.tick(now());
  }, 1000);

  $('search').addEventListener('input', () => { channels.wish.text = $('search').value; channels.filter(); });
  $('kinds').addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    channels.wish.kind = button.dataset.kind;
    channels.filter();
  });
  addEventListener('keydown', (event) => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && document.activeElement !== $('search')) {
      event.preventDefault();
      $('search').focus();
    }
  });

  fetch('api/session', {cache: 'no-store'}).then((answer) => answer.json()).then((session) => {
    $('sign-out').hidden = !session.signed_in;
  }).catch(() => {});
  $('sign-out').addEventListener('click', async () => {
    await fetch('api/session', {method: 'DELETE'}).catch(() => {});
    sessionStorage.removeItem('weir-entered');
    location.reload();
  });
  loop();
})();
