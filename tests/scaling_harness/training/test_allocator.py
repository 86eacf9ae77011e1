import platform
import subprocess
import sys


def test_glibc_takes_the_settings():
    """In a process of its own: the settings last as long as the process."""
    code = "from scaling_harness.training.allocator import keep_freed_memory; print(keep_freed_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(platform.libc_ver()[0] == "glibc")
