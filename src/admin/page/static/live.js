// Says whether the page is live, and since when it is not.

const liveState = document.getElementById('live-state');
let lostAt;
const showLive = () => {
  liveState.hidden = false;
  liveState.classList.toggle('lost', lostAt !== undefined);
  liveState.textContent =
    lostAt === undefined ? 'live' : `not live since ${lostAt.toLocaleTimeString()}, reconnecting`;
};
const lose = () => {
  if (lostAt !== undefined) return;
  lostAt = new Date();
  showLive();
};
document.addEventListener('htmx:sse:after:connection', () => {
  lostAt = undefined;
  showLive();
});
document.addEventListener('htmx:sse:error', lose);
document.addEventListener('htmx:sse:close', lose);
// The first connection is an attempt of its own that htmx does not repeat.
document.addEventListener('htmx:error', (event) => {
  if (event.target instanceof Element && event.target.id === 'stream') lose();
});
