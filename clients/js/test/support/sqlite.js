// SQLite as better-sqlite3 gives it, on a build of SQLite that needs no download and no compiler: for SqliteSaver in
// tests.
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { rmSync } from "node:fs";
import sqlite from "node-sqlite3-wasm";

const bound = (values) => values.map((value) => value ?? null);

class Statement {
	constructor(database, sql) {
		this.database = database;
		this.sql = sql;
	}

	get(...values) {
		return this.database.get(this.sql, bound(values)) ?? undefined;
	}

	all(...values) {
		return this.database.all(this.sql, bound(values));
	}

	run(...values) {
		return this.database.run(this.sql, bound(values));
	}
}

class Database {
	// A process that was killed leaves its lock behind.
	constructor(file) {
		rmSync(`${file}.lock`, { recursive: true, force: true });
		this.inner = new sqlite.Database(file);
	}

	pragma() {}

	exec(sql) {
		this.inner.exec(sql);
	}

	prepare(sql) {
		return new Statement(this.inner, sql);
	}

	transaction(action) {
		return (...all) => {
			this.inner.exec("BEGIN");
			try {
				const result = action(...all);
				this.inner.exec("COMMIT");
				return result;
			} catch (error) {
				this.inner.exec("ROLLBACK");
				throw error;
			}
		};
	}

	close() {
		this.inner.close();
	}
}

export function openSaver(file) {
	const database = new Database(file);
	const saver = new SqliteSaver(database);
	saver.close = () => database.close();
	return saver;
}
