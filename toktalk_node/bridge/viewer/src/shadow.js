// What is inside a <toktalk-face>: its canvas, the button for sound, and how they look.

const STYLE = `
  :host { display: block; position: relative; overflow: hidden; aspect-ratio: 1; contain: content; }
  :host([hidden]) { display: none; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; touch-action: pan-y; }
  :host([kind="screen"]) canvas { touch-action: auto; }
  button {
    position: absolute; left: 50%; bottom: max(12px, env(safe-area-inset-bottom)); transform: translateX(-50%);
    display: inline-flex; align-items: center; gap: 8px; min-height: 44px; padding: 8px 18px; border: 0;
    border-radius: 99px; font: 600 15px/1.2 system-ui, sans-serif; color: #fff; background: #2f7f96; cursor: pointer;
    white-space: nowrap;
  }
  button[hidden] { display: none; }
  :host([kind="screen"]) button {
    left: auto; right: 12px; transform: none; font-size: 0; gap: 0; padding: 12px; min-height: 0;
  }
  button:focus-visible { outline: 3px solid #fff; outline-offset: -5px; }
  svg { width: 20px; height: 20px; fill: currentColor; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; }
`;
export const MARKUP = `
  <canvas part="canvas" role="img" aria-label="A face that speaks"></canvas>
  <button part="sound" type="button" aria-label="Tap for sound" hidden>
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 9v6h4l5 4V5L8 9zM16 8.5a5 5 0 0 1 0 7M18.5 6a8.5 8.5 0 0 1 0 12" fill-rule="evenodd"/>
    </svg>
    Tap for sound
  </button>
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet(); // works under every Content-Security-Policy
    sheet.replaceSync(STYLE);
  }
  return sheet;
}
