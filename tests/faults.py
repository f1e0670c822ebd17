"""A file system on which something happens while a file is read: what the tests of faults need.

It reads this machine's files. At a given part of a name it says who is reading, and waits.
"""

import os
import time
from pathlib import Path

from pyarrow import fs


class Slow(fs.FileSystemHandler):
    """Whoever is the first to open a file that has ``name`` in it leaves word in ``sign``, and waits.

    ``node`` is the machine of a cluster on which it happens; '' for any.
    """

    def __init__(self, name, sign, *, seconds=60.0, node=""):
        self.name, self.sign, self.seconds, self.node = name, str(sign), seconds, node
        self.disk = fs.LocalFileSystem()

    def open_input_file(self, path):
        if self.name in path and self._here():
            try:
                descriptor = os.open(self.sign, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                return self.disk.open_input_file(path)
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
            time.sleep(self.seconds)
        return self.disk.open_input_file(path)

    def _here(self):
        import ray

        if not ray.is_initialized() or ray.get_runtime_context().worker.mode != ray.WORKER_MODE:
            return False
        return self.node in ("", ray.get_runtime_context().get_node_id())

    def get_type_name(self):
        return "slow"

    def get_file_info(self, paths):
        return self.disk.get_file_info(paths)

    def get_file_info_selector(self, selector):
        return self.disk.get_file_info(selector)

    def open_input_stream(self, path):
        return self.disk.open_input_stream(path)

    def normalize_path(self, path):
        return path

    def _refuse(self, *_, **__):
        raise NotImplementedError

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse


class Deadly(Slow):
    """Whoever opens the file waits to be killed."""

    def open_input_file(self, path):
        if self.name in path and self._here():
            Path(self.sign, f"sign-{os.getpid()}").touch()
            time.sleep(self.seconds)
        return self.disk.open_input_file(path)


def waited_for(sign, seconds=60.0):
    """What stands in the sign, once it is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if Path(sign).exists() and (said := Path(sign).read_text()):
            return said
        time.sleep(0.02)
    raise AssertionError(f"nobody read the file in {seconds} seconds")


def busy(begun, until):
    """Says that it has begun, and keeps its processors until somebody has left word."""
    begun.write_text("begun")
    waited_for(until)
