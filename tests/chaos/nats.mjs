// The NATS client library of tests/system, so that it is installed once.
import { createRequire } from "node:module";

const require = createRequire(new URL("../system/package.json", import.meta.url));
export const { connect, headers, nanos } = require("@nats-io/transport-node");
export const { jetstream, jetstreamManager } = require("@nats-io/jetstream");
