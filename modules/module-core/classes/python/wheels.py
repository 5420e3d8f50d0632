"""What the steps of python_venv and python_unit share: what is wanted, and where its files are kept."""

import hashlib
import os
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename, parse_wheel_filename

LIST = Path(os.environ["HOME"], "requirements.txt")
SRCDIR = Path(os.environ["SRCDIR"])

# Where packages come from is the project's to say, and other files would not be in the key of the unit.
ALLOWED_OPTIONS = ("--hash", "--require-hashes", "--only-binary", "--no-binary", "--prefer-binary")


def fail(message):
    sys.exit(f"error: {message}")


class Wanted:
    """The requirements of the unit, and the folder of the cache that has exactly their files."""

    def __init__(self, cache):
        text = LIST.read_text(encoding="utf-8") if LIST.exists() else ""
        self.listed = {canonicalize_name(package.name): package for package in _pinned(text)}
        # With hashes, pip itself refuses what is not listed.
        self.needs = [] if "--hash=" in text else _needs_of_source()
        scheme = repr((1, sys.version_info[:2], text, self.needs))
        self.files = Path(cache, "files", hashlib.sha256(scheme.encode()).hexdigest())

    @property
    def empty(self):
        return not self.listed and not self.needs


def _pinned(text):
    """The packages of a list of requirements; ends if one of them leaves its version open."""
    packages, problems = [], []
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line.startswith("-"):
            if line.split()[0].split("=")[0] not in ALLOWED_OPTIONS:
                problems.append(f"{line}: this option is not taken here; mirrors are for sources() of the project")
        elif line:
            wanted = re.split(r"\s--", line)[0].strip()
            try:
                package = Requirement(wanted)
            except InvalidRequirement as reason:
                problems.append(f"{wanted}: {reason}")
                continue
            packages.append(package)
            pins = list(package.specifier)
            if package.url or len(pins) != 1 or pins[0].operator != "==" or pins[0].version.endswith(".*"):
                problems.append(f"{wanted} has no version: write {package.name}==1.2.3")
    if problems:
        fail("\n  ".join(["these requirements can't be used:", *problems]))
    return packages


def _needs_of_source():
    """What the project in the source says that it needs, as far as it says so in plain words."""
    project = SRCDIR / "pyproject.toml"
    if not project.exists():
        return []
    with project.open("rb") as file:
        return tomllib.load(file).get("project", {}).get("dependencies", [])


def name_and_version(file):
    """What a file that pip downloaded holds, as its normalized name and its version."""
    try:
        parsed = parse_wheel_filename(file.name) if file.suffix == ".whl" else parse_sdist_filename(file.name)
    except InvalidSdistFilename:
        fail(f"{file.name} is neither a wheel nor a source archive")
    return parsed[0], str(parsed[1])
