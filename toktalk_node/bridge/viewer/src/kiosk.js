// The page /screen: nothing but a face, drawn where no avatar is named. What the address says after ? goes to the
// element: stream, features, muted, kind and avatar as attributes, the rest as colours: /screen?eye=ffd76a

import "./toktalk-face.js";

const face = /** @type {HTMLElement} */ (document.querySelector("toktalk-face"));
const params = new URLSearchParams(location.search);
if (params.has("avatar")) face.setAttribute("kind", "head");
for (const [name, value] of params) {
  if (["stream", "features", "muted", "kind", "avatar"].includes(name)) face.setAttribute(name, value);
  else face.style.setProperty(`--face-${name}`, /^[0-9a-f]{3,8}$/i.test(value) ? `#${value}` : value);
}
const background = () =>
  (document.body.style.background = getComputedStyle(face).getPropertyValue("--face-background"));
background();

/** A robot's display stays on while its face is shown. */
async function stayAwake() {
  try {
    if (!document.hidden) await navigator.wakeLock?.request("screen");
  } catch {
    // the battery is low, or the page is not secure: the system's own settings decide
  }
}
document.addEventListener("visibilitychange", stayAwake);
stayAwake();

document.addEventListener("dblclick", () =>
  document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(),
);
