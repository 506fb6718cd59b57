// Compares what came with what a case expects: members that are not mentioned do not matter, lists have to match whole.
// An expectation may be an object with one $member: $any, $absent, $type, $gte, $lte, $contains, $unordered, $in, $each, $length.
import assert from "node:assert/strict";

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)$/;
const types = {
	time: (value) => typeof value === "string" && timePattern.test(value),
	string: (value) => typeof value === "string",
	number: (value) => typeof value === "number",
	list: Array.isArray,
};

const rules = {
	$any: (_, value) => value !== undefined,
	$absent: (_, value) => value === undefined || value === null,
	$type: (name, value) => types[name](value),
	$gte: (least, value) => value >= least,
	$lte: (most, value) => value <= most,
	$contains: (part, value) => (Array.isArray(value) ? value.some((one) => matches(one, part)) : value?.includes(part)),
	$unordered: (list, value) => Array.isArray(value) && sameSet(list, value),
	$in: (list, value) => list.includes(value),
	$each: (one, value) => Array.isArray(value) && value.length > 0 && value.every((item) => matches(item, one)),
	$length: (length, value) => value?.length === length,
};

function sameSet(expected, actual) {
	const left = [...actual];
	for (const one of expected) {
		const index = left.findIndex((value) => matches(value, one));
		if (index < 0) return false;
		left.splice(index, 1);
	}
	return left.length === 0;
}

export function matches(actual, expected) {
	try {
		match(actual, expected);
		return true;
	} catch {
		return false;
	}
}

const shown = (value) => JSON.stringify(value)?.slice(0, 1500) ?? "nothing";

export function match(actual, expected, at = "") {
	const where = at || "/";
	if (expected === null || typeof expected !== "object") {
		assert.ok(Object.is(actual, expected), `${where}: ${shown(expected)} was expected, ${shown(actual)} came`);
		return;
	}
	const [rule] = Object.keys(expected);
	if (rule?.startsWith("$")) {
		assert.ok(rules[rule], `there is no rule ${rule}`);
		assert.ok(rules[rule](expected[rule], actual), `${where}: ${shown(expected)} was expected, ${shown(actual)} came`);
		return;
	}
	assert.ok(actual !== null && typeof actual === "object", `${where}: ${shown(expected)} was expected, ${shown(actual)} came`);
	if (Array.isArray(expected)) assert.equal(actual.length, expected.length, `${where}: length of ${shown(actual)}`);
	for (const [name, value] of Object.entries(expected)) match(actual[name], value, `${at}/${name}`);
}
