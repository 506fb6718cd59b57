// The statuses: their order, what they mean, and a shape for each, so that colour is never the only sign.
export const statuses = ["running", "pending", "retry", "blocked", "completed", "failed", "cancelled", "skipped"];
export const ended = new Set(["completed", "failed", "cancelled", "skipped"]);

export const meanings = {
	running: "leased to a worker",
	pending: "ready, waits for a worker",
	retry: "waits for its backoff to pass",
	blocked: "waits for a dependency, a time, an approval or a key",
	completed: "done",
	failed: "no tries left, or not retryable",
	cancelled: "somebody said so",
	skipped: "a dependency's end made it impossible",
	rejected: "not admitted",
};

// Paths in a box of 12 by 12: filled, or drawn as lines.
const filled = {
	running: "M2.6 1.3 10.9 6 2.6 10.7z",
	completed: "M6 .5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm2.5 3.3L5.3 7 3.6 5.4l-1 1 2.7 2.7 4.2-4.2z",
};
const drawn = {
	pending: "M6 1.3a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4z",
	retry: "M10.3 7.2A4.5 4.5 0 1 1 9.2 2.9M9.8.6v2.9H6.9",
	blocked: "M1.8 1.8h8.4v8.4H1.8z",
	failed: "M2 2l8 8M10 2l-8 8",
	cancelled: "M6 1.3a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4zM2.8 9.2l6.4-6.4",
	skipped: "M1.5 2.5 5 6 1.5 9.5M6.5 2.5 10 6 6.5 9.5",
	rejected: "M6 1v6M6 9.3v1.4",
};

export const glyphPath = (status) => filled[status] ?? drawn[status] ?? drawn.pending;
export const glyphIsFilled = (status) => status in filled;
export const glyphDash = (status) => (status === "blocked" ? [2.6, 1.9] : []);
