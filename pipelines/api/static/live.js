// Keeps the page up to date: when the server says that something changed, the page is asked for again and its main
// part put in place of the old one. Nothing is replaced under the hands of somebody who writes or has gone down a tree.
"use strict";
(() => {
  const light = document.getElementById("live");
  const main = document.getElementById("main");
  let stamp = null, fetching = false, missed = false;

  function say(state, text) {
    light.className = "live " + state;
    light.textContent = text;
  }

  function busy() {
    const at = document.activeElement;
    if (at && main.contains(at) && at.matches("input, textarea, select")) return true;
    return [...main.querySelectorAll("textarea")].some((each) => each.value !== "");
  }

  async function renew() {
    if (fetching || busy()) { missed = true; return; }
    fetching = true;
    missed = false;
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "live" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (!fresh || busy()) { missed = true; return; }
      const open = [...main.querySelectorAll("details")].map((each) => each.open);
      const focused = document.activeElement && main.contains(document.activeElement)
        ? document.activeElement.getAttribute("href") : null;
      main.replaceChildren(...fresh.childNodes);
      document.title = page.title;
      main.querySelectorAll("details").forEach((each, i) => { if (open[i] !== undefined) each.open = open[i]; });
      if (focused) {
        const again = [...main.querySelectorAll("a[href]")].find((each) => each.getAttribute("href") === focused);
        if (again) again.focus({ preventScroll: true });
      }
      document.dispatchEvent(new Event("pulseiq:shown"));
    } finally {
      fetching = false;
    }
  }

  const feed = new EventSource("/events");
  feed.addEventListener("open", () => say("on", "live"));
  feed.addEventListener("error", () => say("lost", "connection lost, trying again"));
  feed.addEventListener("state", (event) => {
    const said = JSON.parse(event.data);
    say(said.error ? "lost" : "on", said.error ? "the lake does not answer" : "live");
    const changed = stamp !== null && stamp !== said.state + said.stamp;
    stamp = said.state + said.stamp;
    if (changed) renew();
  });
  addEventListener("pagehide", () => feed.close());

  // "14 s ago" goes on counting.
  function age(seconds) {
    if (seconds < 120) return Math.max(0, Math.floor(seconds)) + " s";
    if (seconds < 7200) return Math.floor(seconds / 60) + " min";
    return seconds < 172800 ? Math.floor(seconds / 3600) + " h" : Math.floor(seconds / 86400) + " days";
  }
  setInterval(() => {
    for (const each of document.querySelectorAll("[data-since]"))
      each.textContent = age((Date.now() - Date.parse(each.dataset.since)) / 1000);
    if (missed) renew();
  }, 1000);
})();
