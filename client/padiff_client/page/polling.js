// Asking the server again and again for what is new, while anybody looks.

const LEAST_MILLISECONDS = 1000;
// Making and showing an answer takes at most this share of the time.
const SHARE = 4;

/**
 * Calls `ask`, which returns whether to go on, until it does not. Where the server is gone, or does not let the
 * page in any more, says so and stops.
 */
async function poll(ask) {
  for (;;) {
    const began = performance.now();
    try {
      if (!(await ask())) return;
    } catch {
      return sayGone(() => poll(ask));
    }
    const took = performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, Math.max(LEAST_MILLISECONDS, SHARE * took)));
    await inSight();
  }
}

/** Returns the JSON at an address; null where nothing is new. */
async function asked(address) {
  const answer = await fetch(address, { credentials: "same-origin", cache: "no-store" });
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function inSight() {
  if (!document.hidden) return null;
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

function sayGone(again) {
  const said = el("div", { class: "gone", role: "alert" },
    el("span", { text: `padiff ui does not answer any more; this is as of ${new Date().toLocaleTimeString()}.` }),
    el("button", { text: "Try again", on: { click: () => { said.remove(); again(); } } }));
  document.body.prepend(said);
}
