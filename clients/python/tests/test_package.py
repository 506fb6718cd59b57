"""The wheel: made of the source distribution, alone with nats-py in an empty environment, of the project's version."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

import corder
from stack import ROOT

SOURCE = ROOT / "clients/python"
PROBE = "import corder, corder.sync, importlib.metadata as m; print(corder.__version__, m.version('corder'))"


def run(*words: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        raise AssertionError(f"{words}\n{done.stdout}{done.stderr}")
    return done.stdout


class Package(unittest.TestCase):
    def test_the_version_is_the_projects(self) -> None:
        header = (ROOT / "shared/base/version.h").read_text()
        found = re.search(r'CORDER_VERSION "(.*)"', header)
        assert found is not None
        self.assertEqual(corder.__version__, found[1])

    def test_the_wheel_installs_into_an_empty_environment(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
            run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=SOURCE)
            (source,) = folder.glob("corder-*.tar.gz")
            run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
            (wheel,) = folder.glob("corder-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                files = archive.namelist()
                metadata = archive.read(next(file for file in files if file.endswith("METADATA"))).decode()
            self.assertIn("corder/py.typed", files)
            self.assertTrue([file for file in files if file.endswith("LICENSE")])
            self.assertFalse([file for file in files if "test" in file])
            needs = [
                line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line
            ]
            self.assertEqual([re.split("[ ><=]", line.split(": ")[1])[0] for line in needs], ["nats-py"])

            venv.create(folder / "empty", with_pip=False)
            python = folder / "empty/bin/python"
            run(*pip, "--python", python, "install", wheel)
            self.assertEqual(run(python, "-c", PROBE).split(), [corder.__version__] * 2)


if __name__ == "__main__":
    unittest.main()
