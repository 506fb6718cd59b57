// The schemas of subjects/, compiled: for validate.mjs here, and for the system tests, which hold every message that
// they see on the wire to them. With `closed` there are only replies and events, and a member that nobody described is
// an error in them. The caller brings its own ajv (ajv/dist/2020.js).
import { readFileSync, readdirSync } from "node:fs";

export const subjectsFolder = new URL("../../subjects/", import.meta.url);
const schemasFolder = new URL("schemas/", subjectsFolder);

export function schemaNames() {
	const files = readdirSync(schemasFolder).filter((file) => file.endsWith(".json"));
	return files.map((file) => file.replace(/\.json$/, ""));
}

export const isReply = (name) => /-reply$|^event$|^progress$|^delivered-task$/.test(name);

// Puts additionalProperties: false into every object schema that lists its members.
function close(schema) {
	if (Array.isArray(schema)) return schema.map(close);
	if (schema === null || typeof schema !== "object") return schema;
	const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, close(value)]));
	if (closed.type === "object" && closed.properties && !closed.if) closed.additionalProperties ??= false;
	return closed;
}

export function compileSchemas(Ajv2020, { closed = false } = {}) {
	const ajv = new Ajv2020({ strict: true });
	for (const name of schemaNames()) {
		const schema = JSON.parse(readFileSync(new URL(`${name}.json`, schemasFolder), "utf8"));
		ajv.addSchema(closed && (isReply(name) || name === "common") ? close(schema) : schema, `${name}.json`);
	}
	const compiled = new Map();
	for (const name of schemaNames()) {
		if (name !== "common" && (!closed || isReply(name))) compiled.set(name, ajv.getSchema(`${name}.json`));
	}
	return compiled;
}

// The JSON pointer of the first thing wrong; a missing member names its own path, as the services do.
export function pathOf(errors) {
	const [first] = errors;
	if (first.keyword === "required") return `${first.instancePath}/${first.params.missingProperty}`;
	return first.instancePath;
}

export function codeOf(errors) {
	return errors[0].keyword === "maxItems" ? "limit_exceeded" : "invalid_field";
}

export function explainErrors(errors) {
	const lines = errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
	return lines.join("; ");
}
