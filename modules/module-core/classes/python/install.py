"""Installs packages of the cache, and the Python project in the source, into the destdir. Needs no network.

usage: install.py CACHE strip|keep-symbols FOLDER    into a virtual environment that will be at FOLDER
       install.py CACHE strip|keep-symbols           the project alone, where the distro's Python finds it
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from importlib.metadata import PathDistribution
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from symbols import stripped
from wheels import SRCDIR, Wanted, fail, name_and_version

DESTDIR = Path(os.environ["DESTDIR"])
HOME = Path(os.environ["HOME"])
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def is_project(folder):
    return any((folder / name).exists() for name in ("pyproject.toml", "setup.py"))


def build_wheel(source, dest):
    """Builds a wheel of an unpacked project, or copies one that is built."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(dest), str(source)]
    # What compilers write about where sources were must not name a folder of this build.
    flags = f"-ffile-prefix-map={HOME}=."
    env = os.environ | {name: f"{os.environ.get(name, '')} {flags}" for name in ("CFLAGS", "CXXFLAGS")}
    if subprocess.run(command, env=env).returncode != 0:
        fail(f"{source.name} can't be built: what pip says is above")


def cached_wheels(wanted, dest):
    """Wheels of all that is listed; source archives are unpacked to a place that is the same in every build."""
    if not wanted.files.exists():
        fail("the packages are not in the cache: the task fetch has to run first")
    sources = HOME / "python-sources"
    for file in sorted(wanted.files.iterdir()):
        if file.suffix == ".whl":
            (dest / file.name).symlink_to(file)
            continue
        folder = sources / "-".join(name_and_version(file))
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
        [project] = folder.iterdir()
        build_wheel(project, dest)


def venv_scheme(folder):
    """A virtual environment without anything that names the folder it was made in."""
    root = DESTDIR / folder.lstrip("/")
    (root / "bin").mkdir(parents=True)
    packages = f"{folder}/lib/python{VERSION}/site-packages"
    (DESTDIR / packages.lstrip("/")).mkdir(parents=True)
    (root / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )
    (root / "bin/python3").symlink_to("/usr/bin/python3")
    (root / "bin/python").symlink_to("python3")
    (root / f"bin/python{VERSION}").symlink_to("python3")
    headers = f"{folder}/include/python{VERSION}"
    scheme = {"purelib": packages, "platlib": packages, "headers": headers, "scripts": f"{folder}/bin", "data": folder}
    return scheme, f"{folder}/bin/python"


def distro_scheme():
    """Where the distro's Python looks for packages of the distro: Debian's has a place of its own for them."""
    own = "deb_system" if "deb_system" in sysconfig.get_scheme_names() else "posix_prefix"
    packages = sysconfig.get_path("purelib", own)
    headers = f"/usr/include/python{VERSION}"
    scheme = {"purelib": packages, "platlib": packages, "headers": headers, "scripts": "/usr/bin", "data": "/usr"}
    return scheme, "/usr/bin/python3"


class Stripping(SchemeDictionaryDestination):
    """Strips what is machine code on its way, so that the record of a package has the digests of what is installed."""

    def write_file(self, scheme, path, stream, is_executable):
        return super().write_file(scheme, path, stripped(path, stream), is_executable)


def install_wheel(file, scheme, interpreter, keep_symbols):
    kind = SchemeDictionaryDestination if keep_symbols else Stripping
    with WheelFile.open(file) as wheel:
        headers = f"{scheme['headers']}/{wheel.distribution}"
        destination = kind(scheme | {"headers": headers}, interpreter, "posix", destdir=str(DESTDIR))
        try:
            install(source=wheel, destination=destination, additional_metadata={"INSTALLER": b"yoe\n"})
        except FileExistsError as exists:
            fail(f"{file.name} brings a file that is there already: {exists}")


def check_needs(packages):
    """Everything that an installed package needs is installed, too."""
    found = {canonicalize_name(each.name): each.version for each in map(PathDistribution, packages.glob("*.dist-info"))}
    missing = []
    for info in sorted(packages.glob("*.dist-info")):
        distribution = PathDistribution(info)
        for need in map(Requirement, distribution.requires or []):
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            version = found.get(canonicalize_name(need.name))
            if version is None or not need.specifier.contains(version, prereleases=True):
                missing.append(f"{distribution.name} needs {need}, and there is {version or 'none'}")
    if missing:
        fail("\n  ".join(["packages are missing from the list:", *missing]))


def main(cache, symbols, folder=None):
    wanted = Wanted(cache)
    scheme, interpreter = distro_scheme() if folder is None else venv_scheme(folder)
    with tempfile.TemporaryDirectory(dir=HOME) as temp:
        wheels = Path(temp)
        if not wanted.empty and folder is not None:
            cached_wheels(wanted, wheels)
        if is_project(SRCDIR):
            build_wheel(SRCDIR, wheels)
        elif folder is None:
            fail("the source has neither pyproject.toml nor setup.py")
        for file in sorted(wheels.iterdir()):
            print(f"install {file.name}")
            install_wheel(file, scheme, interpreter, symbols == "keep-symbols")
    if folder is not None:
        check_needs(DESTDIR / scheme["purelib"].lstrip("/"))


main(*sys.argv[1:])
