// What a request may hold: one value that the services refuse makes them refuse the whole request, and all else in it.

const DEPTH = 61; // of the contract's 64: the request, its list and the item that holds the value are three

// How many objects and lists stand in each other, and whether a text has U+0000 or half a surrogate pair. JSON.stringify
// writes both as \u0000 and \ud8xx, and neither of them in any other way.
function scan(json) {
	let depth = 0;
	let deepest = 0;
	let inText = false;
	for (let at = 0; at < json.length; at++) {
		const char = json[at];
		if (char === '"') inText = !inText;
		else if (inText && char === "\\") {
			if (/^\\u(0000|d[89a-f])/.test(json.substr(at, 6))) return { unfit: true };
			at++;
		} else if (inText) continue;
		else if (char === "{" || char === "[") deepest = Math.max(deepest, ++depth);
		else if (char === "}" || char === "]") depth--;
	}
	return { deepest };
}

// The value's JSON, undefined where it has none; throws what the services would refuse.
export function checkContent(value, what, mostBytes) {
	const json = JSON.stringify(value);
	if (json === undefined) return undefined;
	const bytes = Buffer.byteLength(json);
	if (bytes > mostBytes) throw new RangeError(`${what} of ${bytes} bytes; ${mostBytes} is the most`);
	const { deepest, unfit } = scan(json);
	if (unfit) throw new RangeError(`${what} with U+0000 or half a surrogate pair in a text`);
	if (deepest > DEPTH) throw new RangeError(`${what} nested ${deepest} deep; ${DEPTH} is the most`);
	return json;
}

// A text that may stand in a request, cut where it is long.
export const cleaned = (text, mostChars) => text.slice(0, mostChars).replaceAll("\0", "\ufffd").toWellFormed();
