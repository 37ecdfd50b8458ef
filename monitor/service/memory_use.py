"""How this process gets its memory from the system."""

import ctypes

#: Parameters of glibc's ``mallopt`` (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

#: Freed memory is kept up to so many bytes, and blocks up to so many are taken from it
#: (glibc takes no more than 32 MB for that). Answers of the broker and arrays over all
#: keys are of some MB, come and go all the time, and to fetch cleared pages for each of
#: them anew was a twelfth of a busy worker's time.
KEPT_BYTES = 256_000_000
LARGEST_KEPT = 32_000_000


def keep_freed_memory() -> None:
    """Have the C library keep memory for the next time; nothing without glibc.

    All threads share one arena: one at a time runs Python, whatever it frees.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
