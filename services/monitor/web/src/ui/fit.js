// Names as long as there is room for. What all names of a plan begin with goes first, then the middle: they differ at
// their ends.
import { shorten } from "../format.js";

const pen = document.createElement("canvas").getContext("2d");
const kept = new Map(); // measuring is slow

export const labelFont = () => `500 11.5px ${getComputedStyle(document.body).fontFamily}`;

function cut(id, start, fits) {
	if (fits(id)) return id;
	let rest = start.length > 3 && id.startsWith(start) ? id.slice(start.length) : "";
	while (rest && !fits(`…${rest}`) && /[.:/]./.test(rest)) rest = rest.replace(/^[^.:/]*[.:/]/, "");
	if (rest && fits(`…${rest}`)) return `…${rest}`;
	let most = (rest || id).length - 1;
	const text = () => (rest ? `…${rest.slice(-most)}` : shorten(id, most));
	while (most > 4 && !fits(text())) most--;
	return text();
}

export function fitted(id, start, width, font) {
	const key = `${width} ${font} ${start} ${id}`;
	let text = kept.get(key);
	if (text === undefined) {
		pen.font = font;
		text = cut(id, start, (words) => pen.measureText(words).width <= width);
		if (kept.size > 20000) kept.clear();
		kept.set(key, text);
	}
	return text;
}
