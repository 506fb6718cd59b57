// `npm run dev`: builds whenever a source changes, serves dist/ and hands everything else to a monitor that runs
// (CORDER_HTTP, else http://127.0.0.1:8080). PORT says where to listen, 5173 otherwise.
import { spawn } from "node:child_process";
import { readFileSync, watch } from "node:fs";
import { createServer, request } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const monitor = new URL(process.env.CORDER_HTTP ?? "http://127.0.0.1:8080");
const port = Number(process.env.PORT ?? 5173);
const types = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript",
	".css": "text/css",
	".svg": "image/svg+xml",
};
const policy =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

let wait;
function build() {
	clearTimeout(wait);
	wait = setTimeout(
		() => spawn(process.execPath, [join(here, "build.mjs")], { stdio: ["ignore", "ignore", "inherit"] }),
		50,
	);
}

function serve(path, answer) {
	const file = join(here, "dist", normalize(path === "/" ? "/index.html" : path));
	answer.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
	answer.setHeader("content-security-policy", policy);
	answer.setHeader("cache-control", "no-store");
	answer.end(readFileSync(file));
}

// The monitor takes changes from its own pages only.
function headersOf({ headers }) {
	return { ...headers, host: monitor.host, ...(headers.origin && { origin: monitor.origin }) };
}

function forward(incoming, answer) {
	const options = { host: monitor.hostname, port: monitor.port, path: incoming.url, method: incoming.method };
	const asked = request({ ...options, headers: headersOf(incoming) }, (reply) => {
		answer.writeHead(reply.statusCode, reply.headers);
		reply.pipe(answer);
	});
	asked.on("error", () => answer.writeHead(502).end());
	answer.on("close", () => asked.destroy());
	incoming.pipe(asked);
}

createServer((incoming, answer) => {
	const { pathname } = new URL(incoming.url, "http://localhost");
	try {
		if (pathname === "/" || pathname === "/favicon.svg" || pathname.startsWith("/assets/")) serve(pathname, answer);
		else forward(incoming, answer);
	} catch {
		answer.writeHead(404).end();
	}
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/ with the data of ${monitor.href}`));
watch(join(here, "src"), { recursive: true }, build);
build();
