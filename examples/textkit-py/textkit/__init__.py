"""Python binding of the textkit C library."""

import ctypes
import os
from pathlib import Path


def _load() -> ctypes.CDLL:
    folder = Path(os.environ.get("TEXTKIT_LIBRARY", Path(__file__).parent / "lib"))
    lib = ctypes.CDLL(str(folder / "libtextkit.so"))
    lib.textkit_version.restype = ctypes.c_char_p
    lib.textkit_words.restype = ctypes.c_size_t
    lib.textkit_words.argtypes = [ctypes.c_char_p]
    lib.textkit_slug.restype = ctypes.c_size_t
    lib.textkit_slug.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    return lib


_LIB = _load()


def version() -> str:
    """Version of the C library."""
    return _LIB.textkit_version().decode()


def words(text: str) -> int:
    """Number of words of a text."""
    return _LIB.textkit_words(text.encode())


def slug(text: str) -> str:
    """Lower-case slug of a text, ASCII letters and digits only."""
    raw = text.encode()
    out = ctypes.create_string_buffer(len(raw) + 1)
    _LIB.textkit_slug(raw, out, len(out))
    return out.value.decode()
