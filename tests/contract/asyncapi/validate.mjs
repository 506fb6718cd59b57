// Reads subjects/asyncapi.yaml with the AsyncAPI parser, every schema included. Apart from the contract test, because
// the parser brings 55 MB of packages: the deep check runs it, not every test run.
import { fileURLToPath } from "node:url";
import { Parser, fromFile } from "@asyncapi/parser";

const file = fileURLToPath(new URL("../../../subjects/asyncapi.yaml", import.meta.url));
const { document, diagnostics } = await fromFile(new Parser(), file).parse();
const errorsAndWarnings = diagnostics.filter(({ severity }) => severity <= 1);
for (const { path, message } of errorsAndWarnings) console.log(`not ok - ${path.join(".")}: ${message}`);
const failed = errorsAndWarnings.length + (document ? 0 : 1);
console.log(`${document?.operations().length ?? 0} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
