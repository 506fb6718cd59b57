// Requests with their history: every ask, and its answer or that none came. A good client repeats what has no answer, or
// "unavailable", with the same ids.
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "./nats.mjs";

const encoder = new TextEncoder();
let nextId = 1;

export class Caller {
	static async open(history, who, url) {
		const caller = new Caller();
		const options = { servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 50 };
		Object.assign(caller, { history, who, over: false });
		caller.connection = await connect({ ...options, waitOnFirstConnect: true, pingInterval: 1500, maxPingOut: 2 });
		return caller;
	}

	// One ask. Returns the reply, or null. `shown` is what the history keeps of the reply.
	async once(subject, body, { timeout = 4000, op, shown = (reply) => reply } = {}) {
		const id = nextId++;
		this.history.note(this.who, "ask", { id, op: op ?? id, subject, ...(op ? {} : { body }) });
		try {
			const bytes = encoder.encode(JSON.stringify(body));
			const message = await this.connection.request(`corder.v1.${subject}`, bytes, { timeout });
			const reply = message.json();
			this.history.note(this.who, "answer", { id, op: op ?? id, reply: reply.ok ? shown(reply) : reply });
			return { reply, id, op: op ?? id };
		} catch (error) {
			this.history.note(this.who, "none", { id, op: op ?? id, why: String(error.message).slice(0, 60) });
			return { reply: null, id, op: op ?? id };
		}
	}

	// Until the answer is definite; null when the run is over before.
	async insist(subject, body, options = {}) {
		let op;
		for (let tries = 0; !this.over; tries++) {
			const asked = await this.once(subject, body, { ...options, op });
			op = asked.op;
			if (asked.reply && (asked.reply.ok || asked.reply.error.code !== "unavailable")) return asked.reply;
			await pause(Math.min(400, 20 * (tries + 1)));
		}
		return null;
	}
}
