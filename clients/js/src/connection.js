// The connection to NATS: requests that are repeated with the same bytes while nothing answers. Knows subjects and
// replies, and nothing of tasks.
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats, errors as natsErrors, headers as newHeaders } from "@nats-io/transport-node";
import { EventEmitter, once } from "node:events";
import { NoAnswer, TooLarge, Unavailable, refusal } from "./errors.js";
import { abortable, backoffMs, pause } from "./pause.js";

const encoder = new TextEncoder();
const TRY_MS = 5000;
const SPARE_BYTES = 4096; // of a message, for its headers
const REQUEST_BYTES = 1000000; // the contract's limit

// Nothing that repeating would mend.
function isForGood(error) {
	if (error instanceof natsErrors.ClosedConnectionError || error instanceof natsErrors.DrainingConnectionError)
		return true;
	return [error, error?.cause].some(
		(one) => one instanceof natsErrors.PermissionViolationError || one instanceof natsErrors.AuthorizationError,
	);
}

// "nats://user:password@host:4222,host2" as options; one name before the @ is a token.
export function addresses(servers) {
	const list = [servers]
		.flat()
		.flatMap((text) => text.split(","))
		.filter(Boolean);
	const hosts = list.map((address) => address.replace(/^(\w+:\/\/)?[^@/]*@/, "$1"));
	const words = /^(?:\w+:\/\/)?([^@/]*)@/.exec(list.find((address) => address.includes("@")) ?? "")?.[1];
	if (words === undefined) return { servers: hosts };
	const [user, pass] = words.split(":").map(decodeURIComponent);
	return pass === undefined ? { servers: hosts, token: user } : { servers: hosts, user, pass };
}

async function dial(options, patienceMs, signal) {
	const deadline = Date.now() + patienceMs;
	for (let attempt = 0; ; attempt++) {
		signal?.throwIfAborted();
		try {
			return await connectNats(options);
		} catch (error) {
			if (isForGood(error)) throw error;
			if (Date.now() >= deadline) throw new NoAnswer(`connect to ${options.servers}`, patienceMs, { cause: error });
		}
		await pause(backoffMs(attempt), signal);
	}
}

// nats.js takes its listeners off a socket that the server has closed, sometimes before a write to it has failed: an
// error that nobody hears ends the process. This one stays on.
const ignored = () => {};
function guardSocket(nats) {
	const socket = nats.protocol?.transport?.socket;
	if (!socket || socket.listeners("error").includes(ignored)) return;
	const { removeAllListeners } = socket;
	socket.removeAllListeners = (...names) => removeAllListeners.apply(socket, names).on("error", ignored);
	socket.on("error", ignored);
}

export class Connection extends EventEmitter {
	static async open({ servers, prefix, patienceMs, signal, nats = {} }) {
		const own = { ...addresses(servers), maxReconnectAttempts: -1, reconnectTimeWait: 200, reconnectJitter: 200 };
		return new Connection(await dial({ ...own, ...nats }, patienceMs, signal), prefix, patienceMs);
	}

	// `nats`: an open connection; it is closed with this one.
	constructor(nats, prefix, patienceMs) {
		super();
		this.setMaxListeners(0);
		this.nats = nats;
		this.prefix = prefix;
		this.patienceMs = patienceMs;
		this.away = false;
		this.closing = false;
		guardSocket(nats);
		this.#follow();
	}

	subject(relative) {
		return `${this.prefix}.v1.${relative}`;
	}

	// The name of one of Corder's streams.
	stream(name) {
		return `${this.prefix.replaceAll(".", "_").toUpperCase()}_${name}`;
	}

	get jetstream() {
		return jetstream(this.nats);
	}

	manager() {
		return (this.managing ??= jetstreamManager(this.nats, { checkAPI: false }));
	}

	get maxBytes() {
		return Math.min(REQUEST_BYTES, (this.nats.info?.max_payload ?? 1048576) - SPARE_BYTES);
	}

	async close() {
		this.closing = true;
		await this.nats.close();
	}

	async #follow() {
		for await (const { type } of this.nats.status()) {
			if (type === "disconnect") this.away = true;
			if (type === "reconnect") this.away = false;
			if (type === "reconnect") guardSocket(this.nats);
			if (type === "disconnect" || type === "reconnect") this.emit(type);
		}
		this.emit("closed");
	}

	// The reply to a request that was answered ok; else the refusal is thrown. "unavailable" and no answer are followed
	// by the same bytes again, until patience has run out.
	async request(relative, body, { signal, tryMs = TRY_MS, patienceMs = this.patienceMs, traceparent } = {}) {
		const bytes = encoder.encode(JSON.stringify(body));
		if (bytes.length > this.maxBytes) {
			const message = `a request of ${bytes.length} bytes; a message holds ${this.maxBytes}`;
			throw new TooLarge({ code: "too_large", message }, relative);
		}
		const ask = (timeoutMs) => this.#ask(relative, bytes, { timeoutMs, signal, traceparent });
		return this.repeat(relative, ask, { signal, tryMs, patienceMs });
	}

	// Calls ask(timeoutMs) until it returns, or throws what no repeat would mend.
	async repeat(what, ask, { signal, tryMs = TRY_MS, patienceMs = this.patienceMs } = {}) {
		const started = Date.now();
		for (let attempt = 0; ; attempt++) {
			const leftMs = Math.max(0, started + patienceMs - Date.now());
			let problem;
			try {
				await this.#whenThere(Math.max(leftMs, 1), signal);
				return await ask(attempt === 0 ? tryMs : Math.max(50, Math.min(tryMs, leftMs)));
			} catch (error) {
				if (signal?.aborted) throw signal.reason;
				if (isForGood(error) || error.isDefinite) throw error;
				problem = error;
			}
			if (Date.now() - started >= patienceMs) {
				if (problem instanceof Unavailable) throw problem;
				throw new NoAnswer(what, Date.now() - started, { cause: problem });
			}
			await pause(backoffMs(attempt), signal);
		}
	}

	// Up to where the stream of events is now; undefined where there is none, or nobody says.
	async eventsPosition() {
		try {
			const manager = await this.manager();
			return (await this.untilLost(manager.streams.info(this.stream("EVENTS")))).state.last_seq;
		} catch {
			return undefined;
		}
	}

	async #whenThere(mostMs, signal) {
		if (!this.away) return;
		const limit = AbortSignal.timeout(mostMs);
		await once(this, "reconnect", { signal: signal ? AbortSignal.any([signal, limit]) : limit });
	}

	// One try; it ends at once when the connection is lost, for its answer was lost with it.
	async #ask(relative, bytes, { timeoutMs, signal, traceparent }) {
		const headers = newHeaders();
		if (traceparent) headers.set("traceparent", traceparent);
		const answer = this.nats.request(this.subject(relative), bytes, { timeout: timeoutMs, headers });
		const reply = (await abortable(this.untilLost(answer), signal)).json();
		if (reply.ok) return reply;
		const error = refusal(reply.error, relative);
		Object.defineProperty(error, "isDefinite", { value: !(error instanceof Unavailable) }); // not a member to print
		throw error;
	}

	// The promise, or a rejection when the connection is lost meanwhile.
	untilLost(promise) {
		return new Promise((resolve, reject) => {
			const onLost = () => reject(new Error("the connection was lost"));
			this.once("disconnect", onLost);
			promise.then(resolve, reject).finally(() => this.off("disconnect", onLost));
		});
	}
}

// The connection behind a client, for the parts of this package that need it.
const connections = new WeakMap();
export const setConnection = (client, connection) => connections.set(client, connection);
export const connectionOf = (client) => connections.get(client);
