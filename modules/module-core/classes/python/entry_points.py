"""Whether what the commands of an environment start is there. Nothing of it runs.

usage: entry_points.py FOLDER COMMAND TARGET…    where the environment is; TARGET is module or module:function
"""

import ast
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from wheels import fail

DESTDIR = Path(os.environ["DESTDIR"])


def spec_of(module, path):
    """How Python would find a module below these folders; its packages are not imported on the way."""
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = None if path is None else PathFinder.find_spec(name, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def lacks(spec, function):
    """Whether a module surely has nothing of that name: not where its names are made up while it runs."""
    if not spec.origin or not spec.origin.endswith(".py"):
        return False
    tree = ast.parse(Path(spec.origin).read_bytes(), spec.origin)
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return False
    names = compile(tree, spec.origin, "exec").co_names
    return not {function, "__getattr__", "globals", "setattr", "exec"} & set(names)


def main(folder, *targets):
    [packages] = (DESTDIR / folder.lstrip("/")).glob("lib/python*/site-packages")
    if any(packages.glob("*.pth")):
        return  # Python looks elsewhere, too.
    path = [str(packages), *(each for each in sys.path[1:] if each)]
    for command, target in zip(targets[::2], targets[1::2]):
        module, colon, function = target.partition(":")
        if module in sys.builtin_module_names:
            continue
        spec = spec_of(module, path)
        if spec is None:
            fail(f'entry_points: {command} is to start "{target}", and the environment has no module {module}')
        if not colon and spec.submodule_search_locations is not None and spec_of(f"{module}.__main__", path) is None:
            fail(f'entry_points: {command} is to run "{target}", a package without a __main__; write it as {module}:function')
        if colon and lacks(spec, function):
            fail(f'entry_points: {command} is to call "{target}", and {module} has no {function}')


main(*sys.argv[1:])
