// A connection of ours to NATS itself, past the proxies, for what only a janitor may do.
import { connect, jetstreamManager } from "./nats.mjs";

export async function janitor(stack, work) {
	const connection = await connect({ servers: stack.nats.url, maxReconnectAttempts: 2, timeout: 3000 });
	try {
		return await work(await jetstreamManager(connection, { timeout: 3000 }), connection);
	} finally {
		await connection.close();
	}
}
