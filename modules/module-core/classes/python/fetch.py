"""Downloads the packages of the requirements into a cache, if they are not there. usage: fetch.py CACHE"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from wheels import LIST, Wanted, fail, name_and_version


def has_network():
    """Whether the task was given one, as a proxy or an interface: without, pip would try again and again."""
    if os.environ.get("https_proxy"):
        return True
    interfaces = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    return any(interface != "lo" for interface in interfaces)


def main(cache):
    wanted = Wanted(cache)
    if wanted.empty:
        return
    if wanted.files.exists():
        print(f"{len(wanted.listed)} packages are in the cache")
        return
    if not has_network():
        fail("not all packages are in the cache, and there is no network; build once without --offline")
    wanted.files.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temp:
        command = ["pip", "download", "--dest", f"{temp}/files", "--no-build-isolation", "--progress-bar", "off"]
        command += ["--disable-pip-version-check", "--no-input", "--cache-dir", f"{cache}/http"]
        if wanted.listed:
            command += ["--requirement", str(LIST)]
        if subprocess.run([sys.executable, "-m", *command, *wanted.needs]).returncode != 0:
            fail("the packages can't be downloaded: what pip says is above")
        found = [name_and_version(file) for file in Path(temp, "files").iterdir()]
        open_ones = sorted(f"{name}=={version}" for name, version in found if name not in wanted.listed)
        if open_ones:
            fail("\n  ".join(["packages that others need are not listed, so their versions are open; add:", *open_ones]))
        Path(temp, "files").rename(wanted.files)


main(sys.argv[1])
