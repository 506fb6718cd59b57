// Where servers keep their data: each on an ext4 image behind a loop device, where root and the kernel allow it. Then a disk
// can be full, and a power cut is: stop the server, copy the image as the device has it, kill the server, mount the copy.
import { execFileSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmSync,
	statfsSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { environment } from "../system/servers.mjs";

const run = (program, ...words) => execFileSync(program, words, { env: environment, stdio: "pipe" });
const sizes = { nats: "1500M", redis: "700M", mariadb: "1500M" };

export class Disks {
	constructor(folder) {
		this.images = join(folder, "disks");
		this.folder = folder;
		this.mounted = new Map();
		process.on("exit", () => this.close());
	}

	// Tries it once: is there a loop device for us?
	static possible(folder) {
		if (process.getuid() !== 0) return false;
		const disks = new Disks(join(folder, "try-disk"));
		try {
			disks.make("redis");
			return true;
		} catch {
			return false;
		} finally {
			disks.close();
			rmSync(disks.folder, { recursive: true, force: true });
		}
	}

	make(name) {
		const [image, place] = [join(this.images, `${name}.img`), join(this.folder, name)];
		mkdirSync(this.images, { recursive: true });
		mkdirSync(place, { recursive: true });
		writeFileSync(image, "");
		run("truncate", "-s", sizes[name], image);
		run("mkfs.ext4", "-q", "-F", "-m", "0", image);
		run("mount", "-o", "loop", image, place);
		this.mounted.set(name, { image, place });
		rmSync(join(place, "lost+found"), { recursive: true, force: true });
	}

	// Every write of this server is synchronous from now on (what nats-server 2.9 cannot be told itself).
	syncAlways(name) {
		run("chattr", "+S", "+D", this.mounted.get(name).place);
	}

	// The server writes meanwhile: what is left is taken in shares, until nothing more is given.
	fill(name) {
		const { place } = this.mounted.get(name);
		for (let file = 0; file < 12; file++) {
			const { bavail, bsize } = statfsSync(place);
			try {
				run(
					"fallocate",
					"-l",
					String(Math.max(bsize, Math.floor(bavail * (file % 2 ? 0.5 : 1)) * bsize)),
					join(place, `ballast-${file}`),
				);
			} catch {
				// less than that was left
			}
		}
	}

	free(name) {
		const { place } = this.mounted.get(name);
		for (const file of readdirSync(place)) if (file.startsWith("ballast")) rmSync(join(place, file), { force: true });
	}

	// While the server is stopped: what the device has now.
	copy(name) {
		const { image } = this.mounted.get(name);
		run("cp", "--sparse=always", image, `${image}.cut`);
	}

	// After the server was killed: the copy takes the place of the image.
	swap(name) {
		const { image, place } = this.mounted.get(name);
		run("umount", place);
		renameSync(`${image}.cut`, image);
		run("mount", "-o", "loop", image, place);
	}

	close() {
		for (const { place, image } of this.mounted.values()) {
			try {
				run("umount", "-l", place);
			} catch {
				// not mounted at this moment
			}
			if (existsSync(image)) truncateSync(image, 0);
		}
		this.mounted.clear();
	}
}
