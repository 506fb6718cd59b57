// One clock for all ages on the page: ticks once a second, and rests while the tab is hidden.
import { signal } from "@preact/signals";

export const now = signal(Date.now());
let offsetMs = 0;

// The server's time decides, so that a wrong clock here makes no wrong ages.
export function setServerTime(at) {
	offsetMs = at - Date.now();
}

export const serverNow = () => Date.now() + offsetMs;

setInterval(() => {
	if (!document.hidden) now.value = serverNow();
}, 1000);
document.addEventListener("visibilitychange", () => {
	if (!document.hidden) now.value = serverNow();
});
