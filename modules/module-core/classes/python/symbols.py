"""Takes symbols and debug information out of machine code that comes in wheels."""

import io
import struct
import subprocess
import tempfile
from pathlib import Path


def stripped(path, stream):
    """What a file of a wheel holds, without symbols if it is machine code that can be loaded without them."""
    content = stream.read()
    if content[:4] != b"\x7fELF":
        return io.BytesIO(content)
    with tempfile.TemporaryDirectory() as temp:
        file = Path(temp, "file")
        file.write_bytes(content)
        done = subprocess.run(["strip", "--strip-unneeded", str(file)], capture_output=True, text=True)
        small = file.read_bytes()
    # Libraries that tools have moved around in, as auditwheel does, are not always put together again by strip.
    if done.returncode != 0 or done.stderr or not _loadable(small):
        print(f"{path} keeps its symbols: strip would break it")
        return io.BytesIO(content)
    return io.BytesIO(small)


def _loadable(content):
    """Whether every segment lies in the file as it will lie in memory, up to its alignment."""
    wide = content[4] == 2
    order = "<" if content[5] == 1 else ">"
    start, size, count = (
        struct.unpack_from(f"{order}Q", content, 32) + struct.unpack_from(f"{order}HH", content, 54)
        if wide
        else struct.unpack_from(f"{order}I", content, 28) + struct.unpack_from(f"{order}HH", content, 42)
    )
    for index in range(count):
        at = start + index * size
        if wide:
            kind, _, offset, address, _, _, _, alignment = struct.unpack_from(f"{order}IIQQQQQQ", content, at)
        else:
            kind, offset, address, _, _, _, _, alignment = struct.unpack_from(f"{order}IIIIIIII", content, at)
        if kind == 1 and alignment > 1 and offset % alignment != address % alignment:
            return False
    return True
