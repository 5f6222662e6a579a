// Signs in: the token becomes a session cookie and is not kept here. A link that weir showed has it behind the '#', which no browser sends.
'use strict';

(() => {
  const form = document.getElementById('sign-in'), field = document.getElementById('token'), said = document.getElementById('said');
  const button = form.querySelector('button');

  const say = (text) => { said.textContent = text; };
  const enter = () => location.replace(location.pathname);

  async function signIn(token) {
    button.disabled = true;
    say('');
    try {
      const answer = await fetch('api/session', {method: 'POST', body: token, headers: {'Content-Type': 'text/plain'}});
      if (answer.ok) return enter();
      say(answer.status === 401 ? 'That is not the token.'
        : answer.status === 429 ? 'Too many wrong tokens: wait a few seconds and try again.' : (await answer.text()).trim());
    } catch {
      say('weir does not answer.');
    }
    button.disabled = false;
    field.select();
    return undefined;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    signIn(field.value.trim());
  });

  function tokenOfLink() {
    const match = /^#token=(.+)$/.exec(location.hash);
    if (match) history.replaceState(null, '', location.pathname);
    return match ? decodeURIComponent(match[1]) : '';
  }
  const given = tokenOfLink();
  if (given) signIn(given);
  addEventListener('hashchange', () => { const token = tokenOfLink(); if (token) signIn(token); });

  // A link on another site leads here without the cookie, though there may be one.
  if (!given && !sessionStorage.getItem('weir-entered')) {
    fetch('api/session', {cache: 'no-store'}).then((answer) => answer.json()).then((session) => {
      if (!session.signed_in) return;
      sessionStorage.setItem('weir-entered', '1');
      enter();
    }).catch(() => {});
  }
})();
