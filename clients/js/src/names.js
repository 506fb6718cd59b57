// Names: what may stand in a subject or an id, and new ids that sort by time.
import { randomFillSync } from "node:crypto";

const token = /^[A-Za-z0-9_-]{1,64}$/;

// Whatever becomes part of a subject goes through here: a dot or a wildcard would make it another subject.
export function checkToken(value, what) {
	if (typeof value !== "string" || !token.test(value)) {
		throw new TypeError(`${what} must match [A-Za-z0-9_-]{1,64}, and is ${JSON.stringify(value)}`);
	}
	return value;
}

const digits = "0123456789abcdefghjkmnpqrstvwxyz";
const random = new Uint8Array(16);

// 26 characters: 48 bits of milliseconds, 80 random bits.
export function newId() {
	let time = Date.now();
	let text = "";
	for (let index = 0; index < 10; index++) {
		text = digits[time % 32] + text;
		time = Math.floor(time / 32);
	}
	randomFillSync(random);
	for (const byte of random) text += digits[byte % 32];
	return text;
}

// Where a status does not change any more by itself.
export const finalStatuses = new Set(["completed", "failed", "cancelled", "skipped"]);
