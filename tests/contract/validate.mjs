// Holds subjects/ together: every schema compiles under ajv's strict mode, every example gets the verdict that its
// folder and expected.json say (code and path too), and subjects.h and asyncapi.yaml list the same subjects and codes.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import { parse } from "yaml";
import { codeOf, compileSchemas, explainErrors, isReply, pathOf, schemaNames, subjectsFolder } from "./schemas.mjs";

let passed = 0;
const failures = [];

function check(name, problem) {
	if (problem) failures.push(`${name}: ${problem}`);
	else passed++;
}

const read = (path) => readFileSync(new URL(path, subjectsFolder), "utf8");
const files = (folder, ending) => readdirSync(new URL(folder, subjectsFolder)).filter((file) => file.endsWith(ending));
const schemaOf = (file) => file.slice(0, file.indexOf("."));
const difference = (some, others) => some.filter((item) => !others.includes(item));

function sameList(name, left, right) {
	const missing = difference(left, right);
	const extra = difference(right, left);
	const problem = [missing.length && `missing ${missing}`, extra.length && `not expected ${extra}`].filter(Boolean);
	check(name, problem.join("; "));
}

function checkValid(schemas, closed) {
	for (const file of files("examples/valid/", ".json")) {
		const body = JSON.parse(read(`examples/valid/${file}`));
		for (const validate of [schemas.get(schemaOf(file)), closed.get(schemaOf(file))].filter(Boolean)) {
			check(`valid/${file}`, validate(body) ? "" : explainErrors(validate.errors));
		}
		check(`valid/${file} has a schema`, schemas.has(schemaOf(file)) ? "" : "none");
	}
}

function verdictProblem(validate, body, expected) {
	if (validate(body)) return "accepted";
	if (expected.code && codeOf(validate.errors) !== expected.code) return `code ${codeOf(validate.errors)}`;
	const path = pathOf(validate.errors);
	return "path" in expected && path !== expected.path ? `path ${path}, not ${expected.path}` : "";
}

function checkInvalid(schemas) {
	const expected = JSON.parse(read("examples/invalid/expected.json"));
	const found = files("examples/invalid/", ".json").filter((file) => file !== "expected.json");
	sameList("invalid/expected.json names every file", found, Object.keys(expected));
	for (const file of found) {
		const body = JSON.parse(read(`examples/invalid/${file}`));
		check(`invalid/${file}`, verdictProblem(schemas.get(schemaOf(file)), body, expected[file] ?? {}));
		const request = !isReply(schemaOf(file));
		check(`invalid/${file} expects`, request && !expected[file]?.code ? "a request's error needs a code" : "");
	}
}

function checkBytes(schemas, codes) {
	const expected = JSON.parse(read("examples/invalid_bytes/expected.json"));
	const found = files("examples/invalid_bytes/", ".bin");
	sameList("invalid_bytes/expected.json names every file", found, Object.keys(expected));
	for (const [file, { code }] of Object.entries(expected)) {
		const known = schemas.has(schemaOf(file)) && codes.includes(code);
		check(`invalid_bytes/${file}`, known ? "" : "no such schema or code");
	}
}

function checkEveryMessageHasExamples(schemas) {
	const chosen = /^(submit|enqueue)-(task|batch|part|seal)$/; // shown as submit.… and enqueue.…
	const has = (folder, name) => files(`examples/${folder}/`, ".json").some((file) => schemaOf(file) === name);
	for (const name of schemas.keys()) {
		if (chosen.test(name)) continue;
		check(`${name} has a valid example`, has("valid", name) ? "" : "none");
		check(`${name} has an invalid example`, has("invalid", name) ? "" : "none");
	}
}

function defines(header, prefix) {
	const lines = header.matchAll(new RegExp(`^#define ${prefix}_[A-Z_]+ "([^"]+)"`, "gm"));
	return [...lines].map(([, value]) => value);
}

function references(node) {
	if (node === null || typeof node !== "object") return [];
	const own = typeof node.$ref === "string" ? [node.$ref] : [];
	return own.concat(...Object.values(node).map(references));
}

function checkAsyncApi(header) {
	const document = parse(read("asyncapi.yaml"));
	const channels = Object.values(document.channels).filter((channel) => channel.address !== null);
	const wild = (parameter) => (parameter === "{block}" ? ">" : "*"); // several tokens, or one
	const addresses = channels.map(({ address }) => address.replace(/^corder\.v1\./, "").replace(/\{\w+\}/g, wild));
	const subjects = defines(header, "SUBJECT").filter((subject) => subject !== "v1");
	sameList("asyncapi.yaml has the subjects of subjects.h, in its order", subjects, addresses);
	check("the order is the same", subjects.join() === addresses.join() ? "" : addresses.join());
	for (const reference of new Set(references(document))) {
		const local = reference.slice(2).split("/");
		const there = reference.startsWith("#/")
			? local.reduce((node, key) => node?.[key], document) !== undefined
			: existsSync(new URL(reference, subjectsFolder));
		check(`asyncapi.yaml ${reference}`, there ? "" : "refers to nothing");
	}
	const used = references(document).filter((reference) => reference.startsWith("./schemas/"));
	const names = new Set(used.map((reference) => reference.slice("./schemas/".length, -".json".length)));
	const parts = /^(common|delivered-task|(submit|enqueue)-(task|batch|part|seal))$/; // used by other schemas
	sameList("asyncapi.yaml uses every schema", schemaNames().filter((name) => !parts.test(name)), [...names]);
}

const header = read("subjects.h");
const codes = defines(header, "CODE");
const schemas = compileSchemas(Ajv.default);
check("every schema compiles", [...schemas.values()].every(Boolean) ? "" : "one does not");
checkValid(schemas, compileSchemas(Ajv.default, { closed: true }));
checkInvalid(schemas);
checkBytes(schemas, codes);
checkEveryMessageHasExamples(schemas);
checkAsyncApi(header);
sameList("subjects.h has the schema's codes", JSON.parse(read("schemas/common.json")).$defs.code.enum, codes);

for (const failure of failures) console.log(`not ok - ${failure}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
